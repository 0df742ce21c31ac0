import { pageScript, pageStyle } from './page.ts'

/** The plotting library as text, so that the page needs no network. */
export interface Plotter {
  readonly script: string
  readonly style: string
}

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

/** A page without network, light and dark, wide and narrow: a heading, sentences, what is below them, and `data` to draw. */
export function page(
  { title, sentences = [], facts }: { title: string; sentences?: readonly string[]; facts?: Content },
  plotter: Plotter,
  content: readonly Content[],
  data: unknown,
): string {
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${title}</title>
<style>${new Html(plotter.style)}${new Html(pageStyle)}</style>
</head>
<body>
<main>
<header>
<h1>${title}</h1>
${sentences.map((sentence) => html`<p class="verdict">${sentence}</p>\n`)}
${facts}
</header>
${content.map((part) => html`${part}\n`)}</main>
${json('report', data)}
${script(plotter.script)}
${script(pageScript)}
</body>
</html>
`
  return whole.markup
}

function render(content: Content): string {
  if (content === undefined || content === false) return ''
  if (content instanceof Html) return content.markup
  if (typeof content === 'object') return content.map((part) => part.markup).join('')
  return String(content).replace(/[&<>"']/g, (character) => ENTITIES[character])
}
