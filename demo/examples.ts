import { element, make } from './dom.ts'
import type { Checks, Example, Findings } from './messages.ts'

const dialog = element<HTMLDialogElement>('check')
const others = element<HTMLSelectElement>('other')

/** Gets the true label, `null` for a wrong one, `undefined` to forget what was found. */
type OnCheck = (example: Example, label: string | null | undefined) => void

/** Examples that a click asks about. */
export class Examples {
  readonly #onCheck: OnCheck
  #names: readonly string[] = []
  #checks: () => Checks = () => new Map()
  #asked: Example | undefined
  #imageShape: Findings['imageShape']

  constructor(onCheck: OnCheck) {
    this.#onCheck = onCheck
    const answers: Record<string, () => string | null | undefined> = {
      right: () => this.#asked?.given,
      suggested: () => this.#asked?.suggested,
      wrong: () => null,
      forget: () => undefined,
    }
    for (const [id, answer] of Object.entries(answers))
      element(id).addEventListener('click', () => this.#answer(answer()))
    others.addEventListener(
      'change',
      () => others.value !== '' && this.#answer(this.#names[Number(others.value)]),
    )
    element('close').addEventListener('click', () => dialog.close())
  }

  show({ doubted, helpful, imageShape }: Findings, names: readonly string[], checks: () => Checks): void {
    this.#names = names
    this.#checks = checks
    this.#imageShape = imageShape
    for (const [id, examples] of Object.entries({ doubted, helpful })) {
      const list = element<HTMLUListElement>(id)
      list.className = imageShape ? 'gallery' : 'rows'
      list.replaceChildren(...examples.map((example) => this.#item(example)))
      element(`${id}-section`).hidden = examples.length === 0
    }
  }

  clear(): void {
    dialog.close()
    for (const id of ['doubted', 'helpful']) {
      element(id).replaceChildren()
      element(`${id}-section`).hidden = true
    }
  }

  #item(example: Example): HTMLLIElement {
    const item = make('li')
    const button = make('button')
    button.type = 'button'
    button.dataset.row = String(example.row)
    button.addEventListener('click', () => this.#ask(example))
    const labels = make('span')
    labels.className = 'labels'
    labels.append(make('s', example.given), ' → ', make('b', example.suggested))
    if (example.suggested === example.given) labels.replaceChildren(make('b', example.given))
    if (this.#imageShape) button.append(picture(example, this.#imageShape))
    const found = make('span')
    found.className = 'found'
    button.append(
      labels,
      make('small', `row ${example.row}`),
      make('small', `${Math.round(100 * example.score)} %`),
    )
    if (example.values) button.append(make('small', example.values))
    button.append(found)
    item.append(button)
    this.#mark(button)
    return item
  }

  #mark(button: HTMLElement): void {
    const found = button.querySelector('.found')
    const row = Number(button.dataset.row)
    const check = this.#checks().get(row)
    button.classList.toggle('checked', check !== undefined)
    if (found) found.textContent = !check ? '' : check.label === null ? '✗ wrong' : `✓ ${check.label}`
  }

  #ask(example: Example): void {
    this.#asked = example
    const { row, given, suggested, truth, values } = example
    element('check-title').textContent = `Row ${row}: is it “${given}”?`
    const shown = this.#imageShape ? picture(example, this.#imageShape) : make('p', values)
    element('shown').replaceChildren(shown)
    element('right').textContent = `Right: ${given}`
    element('suggested').textContent = `No, it is ${suggested}`
    element('suggested').hidden = suggested === given
    // A class of this name could not be told from the answer.
    element('wrong').hidden = this.#names.includes('wrong')
    element('forget').hidden = !this.#checks().has(row)
    element('truth').textContent = truth === undefined ? '' : `In truth it is ${truth}.`
    const rest = [...this.#names.entries()].filter(([, name]) => name !== given && name !== suggested)
    others.replaceChildren(
      new Option('No, it is …', ''),
      ...rest.map(([index, name]) => new Option(name, String(index))),
    )
    others.hidden = rest.length === 0
    if (!dialog.open) dialog.showModal()
  }

  #answer(answer: string | null | undefined): void {
    const asked = this.#asked as Example
    const { row } = asked
    dialog.close()
    this.#onCheck(asked, answer)
    for (const button of document.querySelectorAll<HTMLElement>(`[data-row="${row}"]`)) this.#mark(button)
  }
}

function picture({ row, given, pixels }: Example, [height, width]: readonly [number, number]): HTMLElement {
  const canvas = make('canvas')
  Object.assign(canvas, { width, height })
  canvas.setAttribute('role', 'img')
  canvas.setAttribute('aria-label', `Picture of row ${row}, labelled ${given}`)
  const context = canvas.getContext('2d')
  const image = context?.createImageData(width, height)
  if (!context || !image || !pixels) return canvas
  for (const [i, grey] of pixels.entries()) image.data.set([grey, grey, grey, 255], 4 * i)
  context.putImageData(image, 0, 0)
  return canvas
}
