import type { Option } from 'commander'

/** The text with the spelling of an option in place of each argument in quotes that the option sets. */
export function inOptions(text: string, options: readonly Option[]): string {
  return text.replace(/"(\w+)"/g, (quoted, name) => {
    const option = options.find((option) => option.attributeName() === name)
    return option ? `"${option.long}"` : quoted
  })
}
