/** Markup that is safe to insert; everything else is text. */
export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }
}

type Content = string | number | undefined | false | Html | readonly Html[]

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Template of markup: inserted text is escaped, {@link Html} goes in as it is, `undefined` and `false` leave nothing. */
export function html(strings: TemplateStringsArray, ...contents: Content[]): Html {
  return new Html(String.raw({ raw: strings }, ...contents.map(render)))
}

/** Data for a page's script; no text in it can end the element. */
export function json(id: string, value: unknown): Html {
  const text = JSON.stringify(value).replaceAll('<', '\\u003c')
  return html`<script type="application/json" id="${id}">${new Html(text)}</script>`
}

/** A script as it is, kept from ending its element too early. */
export function script(source: string): Html {
  return new Html(`<script>${source.replaceAll(/<\/(script)/gi, '<\\/$1')}</script>`)
}

/** A heading and what is below it. */
export function section(heading: string, content: Html): Html {
  return html`<section><h2>${heading}</h2>
${content}
</section>`
}

function render(content: Content): string {
  if (content === undefined || content === false) return ''
  if (content instanceof Html) return content.markup
  if (typeof content === 'object') return content.map((part) => part.markup).join('')
  return String(content).replace(/[&<>"']/g, (character) => ENTITIES[character])
}
