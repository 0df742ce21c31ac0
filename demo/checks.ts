import type { Check, Checks } from './messages.ts'

/** What the visitor found, kept in the browser for the same data. */
export class KeptChecks {
  readonly #key: string
  /** The visitor's own. */
  readonly #own: Map<number, Check>
  readonly #given: Map<number, Check>

  /** Begins with what came with the data; what is kept counts more. */
  constructor(fingerprint: string, given: Checks) {
    this.#key = `nhgd-checked-${fingerprint}`
    this.#given = new Map(given)
    this.#own = new Map(read(this.#key))
  }

  get all(): Checks {
    return new Map([...this.#given, ...this.#own])
  }

  set(row: number, check: Check): void {
    this.#own.set(row, check)
    this.#keep()
  }

  forget(row: number): void {
    this.#own.delete(row)
    this.#given.delete(row)
    this.#keep()
  }

  #keep(): void {
    try {
      localStorage.setItem(this.#key, JSON.stringify([...this.#own]))
    } catch {
      // Where the browser keeps nothing, or has no room, the checks last as long as the page.
    }
  }
}

function read(key: string): Iterable<[number, Check]> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '[]')
  } catch {
    return []
  }
}
