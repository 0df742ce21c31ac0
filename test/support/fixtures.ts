import { readFileSync } from 'node:fs'

/** A fixture's numbers, arrays flat and row-major. */
export interface Fixture {
  readonly scalars: Readonly<Record<string, number>>
  readonly arrays: Readonly<Record<string, Float64Array>>
}

/** Reads `test/fixtures/<name>/fixture.json`. */
export function fixture(name: string): Fixture {
  const url = new URL(`../fixtures/${name}/fixture.json`, import.meta.url)
  const { scalars, arrays } = JSON.parse(readFileSync(url, 'utf8'))
  const flat = Object.entries(arrays as Record<string, number[]>).map(([key, nested]) => [
    key,
    Float64Array.from(nested.flat(3)),
  ])
  return { scalars, arrays: Object.fromEntries(flat) }
}
