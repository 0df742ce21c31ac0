import { element } from './charts.ts'
import type { Snapshot, Suspect } from './messages.ts'

/** Shows the most doubtful labels: as pictures where there are some, else as a table. */
export function showSuspects({ suspects, imageShape }: Snapshot): void {
  const gallery = element<HTMLUListElement>('gallery')
  const ranked = element('ranked')
  gallery.hidden = !imageShape
  ranked.hidden = Boolean(imageShape)
  if (imageShape) gallery.replaceChildren(...suspects.map((suspect) => picture(suspect, imageShape)))
  else ranked.replaceChildren(table(suspects))
}

export function clearSuspects(): void {
  element('gallery').replaceChildren()
  element('ranked').replaceChildren()
}

function picture(suspect: Suspect, [height, width]: readonly [number, number]): HTMLLIElement {
  const { row, given, suggested, weight, truth, pixels } = suspect
  const canvas = make('canvas', '')
  Object.assign(canvas, { width, height })
  const known = truth === undefined ? '' : `, in truth ${truth}`
  canvas.setAttribute('role', 'img')
  canvas.setAttribute(
    'aria-label',
    `Row ${row}: given ${given}, suggested ${suggested}${known}, weight ${weight.toFixed(2)}`,
  )
  if (pixels) draw(canvas, pixels)
  const labels = make('p', '')
  labels.append(make('s', given), ' → ', make('b', suggested))
  if (truth !== undefined) {
    const mark = make('small', truth === suggested ? '✓ true' : `✗ true: ${truth}`)
    mark.className = truth === suggested ? 'right' : 'wrong'
    labels.append(mark)
  }
  const item = make('li', '')
  item.append(canvas, labels)
  return item
}

function draw(canvas: HTMLCanvasElement, grey: Uint8Array): void {
  const context = canvas.getContext('2d')
  const image = context?.createImageData(canvas.width, canvas.height)
  if (!context || !image) return
  for (let i = 0; i < grey.length; i++) image.data.set([grey[i], grey[i], grey[i], 255], 4 * i)
  context.putImageData(image, 0, 0)
}

function table(suspects: readonly Suspect[]): HTMLTableElement {
  const made = make('table', '')
  const head = made.createTHead().insertRow()
  for (const title of ['Row', 'Given', 'Suggested', 'Weight']) {
    const cell = make('th', title)
    cell.scope = 'col'
    head.append(cell)
  }
  const body = made.createTBody()
  for (const { row, given, suggested, weight } of suspects) {
    const line = body.insertRow()
    for (const text of [String(row), given, suggested, weight.toFixed(3)])
      line.insertCell().textContent = text
  }
  return made
}

function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text: string,
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  made.textContent = text
  return made
}
