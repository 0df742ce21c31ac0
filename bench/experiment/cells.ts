import type { Cell } from './data.ts'

/** Every data set, noise and weighting with few trusted samples, except `done`. */
export function otherCells(done: Cell): Cell[] {
  const cells: Cell[] = []
  for (const weighting of ['perSample', 'margin'] as const) {
    for (const dataset of ['mnist', 'fashion'] as const) {
      for (const [noise, kind] of noises) {
        for (const trusted of [2000, 500, 100]) {
          cells.push({ dataset, noise, kind, trusted, train: done.train, weighting })
        }
      }
    }
  }
  return cells.filter((cell) => JSON.stringify(cell) !== JSON.stringify(done))
}

const noises = [
  [0, 'uniform'],
  [0.3, 'uniform'],
  [0.3, 'pair'],
  [0.5, 'uniform'],
  [0.5, 'pair'],
  [0.8, 'uniform'],
  [0.8, 'pair'],
] as const
