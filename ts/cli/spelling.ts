import type { Option } from 'commander'

/** The text, where each argument that it names in quotes is spelt as the option that sets it. */
export function inOptions(text: string, options: readonly Option[]): string {
  return text.replace(/"(\w+)"/g, (quoted, name) => {
    const option = options.find((option) => option.attributeName() === name)
    return option ? `"${option.long}"` : quoted
  })
}
