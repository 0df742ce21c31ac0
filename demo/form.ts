import { element } from './dom.ts'
import type { Source } from './messages.ts'

const form = element<HTMLFormElement>('order')
const own = element<HTMLFieldSetElement>('own')
const files = ['features', 'labels', 'checked-file'] as const

/** Makes the form work. `onStart` gets what the visitor asks for, or what is missing, and `onChange` is told of changes. */
export function prepareForm(onStart: (source: Source | string) => void, onChange: () => void): void {
  for (const [id, unit] of [
    ['rate', ' %'],
    ['checked', ''],
  ]) {
    const slider = element<HTMLInputElement>(id)
    const show = () => {
      element(`${id}-shown`).textContent = slider.value + unit
    }
    slider.addEventListener('input', show)
    show()
  }
  for (const tab of form.querySelectorAll<HTMLInputElement>('[name=source]')) {
    tab.addEventListener('change', showSource)
  }
  // A browser may restore the choice of the last visit.
  showSource()
  form.addEventListener('input', onChange)
  form.addEventListener('change', onChange)
  element('features').addEventListener('change', suggestColumns)
  acceptDrops()
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    onStart(readSource())
  })
}

function showSource(): void {
  const digits = value('source') === 'digits'
  element('digits').hidden = !digits
  own.hidden = digits
}

function readSource(): Source | string {
  if (value('source') === 'digits') {
    return {
      kind: 'digits',
      url: new URL('digits.npz', document.baseURI).href,
      noise: { kind: value('kind') as 'uniform' | 'pair', rate: Number(value('rate')) / 100 },
      checked: Number(value('checked')),
    }
  }
  const [features, labels, checked] = files.map((id) => element<HTMLInputElement>(id).files?.[0])
  if (!features) return 'Choose a file of features first.'
  return {
    kind: 'own',
    features,
    ...(labels && { labels }),
    label: value('label').trim(),
    checked: checked ?? value('rows'),
  }
}

/** The columns of a plain CSV file, the last one being the likely label. */
async function suggestColumns(): Promise<void> {
  const file = element<HTMLInputElement>('features').files?.[0]
  if (!file?.name.toLowerCase().endsWith('.csv')) return
  const [header] = (await file.slice(0, 65_536).text()).split(/\r?\n/)
  const columns = header.split(/[,;\t]/).map((name) => name.trim().replace(/^\uFEFF?"?|"$/g, ''))
  element('columns').replaceChildren(...columns.map((name) => new Option(name)))
  const label = element<HTMLInputElement>('label')
  if (!columns.includes(label.value))
    label.value = columns.find((name) => /^labels?$/i.test(name)) ?? columns.at(-1) ?? ''
}

/** Files dropped on the form go where their names say: labels, checked rows, otherwise features. */
function acceptDrops(): void {
  own.addEventListener('dragover', (event) => {
    event.preventDefault()
    own.classList.add('dropping')
  })
  own.addEventListener('dragleave', () => own.classList.remove('dropping'))
  own.addEventListener('drop', (event) => {
    event.preventDefault()
    own.classList.remove('dropping')
    for (const file of event.dataTransfer?.files ?? []) {
      const id = /trust|check|review|idx|ind(ex|ic)/i.test(file.name)
        ? 'checked-file'
        : /label|target|^y\b/i.test(file.name)
          ? 'labels'
          : 'features'
      const list = new DataTransfer()
      list.items.add(file)
      const input = element<HTMLInputElement>(id)
      input.files = list.files
      input.dispatchEvent(new Event('change', { bubbles: true }))
    }
  })
}

function value(name: string): string {
  return String(new FormData(form).get(name) ?? '')
}
