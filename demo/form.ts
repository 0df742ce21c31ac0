import { element } from './charts.ts'
import type { Order, Source } from './messages.ts'
import type { MethodName } from './methods.ts'

const form = element<HTMLFormElement>('order')
const own = element<HTMLFieldSetElement>('own')
const files = ['features', 'labels', 'rows-file'] as const

/** Makes the form work; `onOrder` gets what the visitor asks for, or what is missing. */
export function prepareForm(onOrder: (order: Order) => void, onMissing: (message: string) => void): void {
  for (const [id, unit] of [
    ['rate', ' %'],
    ['trusted', ''],
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
  element('features').addEventListener('change', suggestColumns)
  acceptDrops()
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const source = readSource()
    if (typeof source === 'string') return onMissing(source)
    onOrder({ source, method: value('method') as MethodName, steps: Number(value('steps')), seed: 1 })
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
      trusted: Number(value('trusted')),
    }
  }
  const [features, labels, rows] = files.map((id) => element<HTMLInputElement>(id).files?.[0])
  if (!features) return 'Choose a file of features first.'
  if (!rows && value('rows').trim() === '')
    return 'Say which rows to trust, such as 0-89, or choose a file of them.'
  return {
    kind: 'own',
    features,
    ...(labels && { labels }),
    label: value('label').trim(),
    trusted: rows ?? value('rows'),
  }
}

/** The columns of a plain CSV file, the last one being the likely label. */
async function suggestColumns(): Promise<void> {
  const file = element<HTMLInputElement>('features').files?.[0]
  if (!file?.name.toLowerCase().endsWith('.csv')) return
  const [header] = (await file.slice(0, 65_536).text()).split(/\r?\n/)
  const columns = header.split(',').map((name) => name.trim().replace(/^\uFEFF?"?|"$/g, ''))
  element('columns').replaceChildren(...columns.map((name) => new Option(name)))
  const label = element<HTMLInputElement>('label')
  if (!columns.includes(label.value))
    label.value = columns.find((name) => /^labels?$/i.test(name)) ?? columns.at(-1) ?? ''
}

/** Files dropped on the form go where their names say: labels, trusted rows, otherwise features. */
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
      const id = /trust|check|idx|ind(ex|ic)/i.test(file.name)
        ? 'rows-file'
        : /label|target|^y\b/i.test(file.name)
          ? 'labels'
          : 'features'
      const list = new DataTransfer()
      list.items.add(file)
      const input = element<HTMLInputElement>(id)
      input.files = list.files
      input.dispatchEvent(new Event('change'))
    }
  })
}

function value(name: string): string {
  return String(new FormData(form).get(name) ?? '')
}
