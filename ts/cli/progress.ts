import type { CleaningProgress } from '../tasks/cleanLabels/cleanLabels.ts'

/** What is told of an outer step. */
type Shown = Pick<CleaningProgress, 'step' | 'steps' | 'outerLoss' | 'heldOutLoss' | 'secondsLeft'>

/** Where progress goes: one line that is written over on a terminal, plain lines elsewhere, nothing when quiet. */
export interface ProgressLine {
  show(progress: Shown): void
  /** A line that stays. */
  say(text: string): void
  end(): void
}

export function progressLine(quiet: boolean, stream = process.stderr): ProgressLine {
  const live = stream.isTTY && !quiet
  let last = 0
  const clear = () => live && stream.write('\r\x1b[K')
  return {
    show(progress) {
      const done = progress.step === progress.steps
      const every = Math.max(10, Math.ceil(progress.steps / 20))
      if (quiet || (!live && progress.step % every !== 0 && !done)) return
      if (live && !done && performance.now() - last < 100) return
      last = performance.now()
      if (live) stream.write(`\r\x1b[K${line(progress)}`)
      else stream.write(`${line(progress)}\n`)
    },
    say(text) {
      if (quiet) return
      clear()
      stream.write(`${text}\n`)
    },
    end() {
      clear()
    },
  }
}

function line({ step, steps, outerLoss, heldOutLoss, secondsLeft }: Shown): string {
  const held = Number.isNaN(heldOutLoss) ? '' : `  held-out ${heldOutLoss.toFixed(4)}`
  const left = `  ${secondsLeft.toFixed(0)} s left`
  return `step ${step}/${steps}  loss ${outerLoss.toFixed(4)}${held}${left}`
}
