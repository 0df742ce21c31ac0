/** Labels that a person gave to rows: a class, or `wrong`. */
export type Answers = Map<number, string>

export interface Talk {
  /** Classes. */
  readonly names: readonly string[]
  /** What a person sees of a row, its given label last. */
  readonly show: (row: number) => string
  /** The answer to a question; nothing once the input has ended. */
  readonly ask: (question: string) => Promise<string | undefined>
  readonly say: (text: string) => void
  /** Keeps all answers that there are. */
  readonly save: (answers: Answers) => Promise<void>
}

const question = 'right, wrong, the right label, skip, undo or quit? '

/**
 * Shows one row after the other and asks what its label is. Answers are saved after each, and `undo` goes back to the
 * row before. Returns how many answers there are in the end, those from before included.
 */
export async function dialogue(rows: Uint32Array, before: Answers, talk: Talk): Promise<number> {
  const answers: Answers = new Map(before)
  let at = 0
  while (at < rows.length) {
    const row = rows[at]
    talk.say(`\n${at + 1} of ${rows.length}: ${talk.show(row)}`)
    const answer = (await talk.ask(question))?.trim()
    if (answer === undefined || /^(quit|q)$/i.test(answer)) break
    if (/^(undo|u)$/i.test(answer)) {
      if (at === 0) talk.say('there is nothing to undo')
      else {
        at--
        answers.delete(rows[at])
        await talk.save(answers)
      }
      continue
    }
    if (/^(skip|s)$/i.test(answer)) {
      at++
      continue
    }
    const label = labelOf(answer, talk.names)
    if (label === undefined) {
      talk.say(`"${answer}" is no answer: the classes are ${talk.names.join(', ')}`)
      continue
    }
    answers.set(row, label)
    await talk.save(answers)
    at++
  }
  return answers.size
}

/** The class that is meant, or `right` or `wrong`, of which the first letter is enough where no class begins so. */
function labelOf(answer: string, names: readonly string[]): string | undefined {
  if (names.includes(answer)) return answer
  const same = names.find((name) => name.toLowerCase() === answer.toLowerCase())
  if (same !== undefined) return same
  if (/^(right|r|yes|y)$/i.test(answer)) return 'right'
  if (/^(wrong|w|no|n)$/i.test(answer)) return 'wrong'
  return undefined
}
