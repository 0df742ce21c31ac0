export function element<Kind extends HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind
}

export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = '',
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  made.textContent = text
  return made
}

/** Thousands apart by narrow spaces. */
export function count(number: number): string {
  return Math.round(number).toLocaleString('en').replaceAll(',', '\u202f')
}
