import uPlot from 'uplot'
import type { Group, Snapshot } from './messages.ts'

const colours = ['a', 'b']
const plots: uPlot[] = []

/** The charts of a run. */
export class Charts {
  readonly #loss = curve(element('loss-plot'), ['outer loss'])
  readonly #accuracy = curve(element('accuracy-plot'), ['accuracy', 'believes every label'])
  readonly #auc = curve(element('auc-plot'), ['AUC'])
  #weights: uPlot | undefined
  readonly #steps: number[] = []
  readonly #values = { loss: [] as number[], accuracy: [] as number[], auc: [] as number[] }

  clear(): void {
    for (const values of [this.#steps, ...Object.values(this.#values)]) values.length = 0
    this.#draw(undefined)
    this.#weights?.setData([[], []])
  }

  add({ step, outerLoss, accuracy, auc, histogram }: Snapshot, baseline: number | undefined): void {
    this.#steps.push(step)
    this.#values.loss.push(outerLoss)
    if (accuracy !== undefined) this.#values.accuracy.push(accuracy)
    if (auc !== undefined) this.#values.auc.push(auc)
    this.#draw(baseline)
    this.#drawWeights(histogram)
  }

  #draw(baseline: number | undefined): void {
    const steps = this.#steps
    const { loss, accuracy, auc } = this.#values
    this.#loss.setData([steps, loss])
    this.#auc.setData(auc.length > 0 ? [steps, auc] : [[], []])
    const flat = steps.map(() => baseline ?? null)
    this.#accuracy.setData(accuracy.length > 0 ? [steps, accuracy, flat] : [[], [], []])
  }

  #drawWeights(groups: readonly Group[]): void {
    const bins = groups[0].shares.length
    const edges = Array.from({ length: bins + 1 }, (_, i) => i / bins)
    const shares = groups.map(({ shares }) => [...shares, shares[bins - 1]])
    if (this.#weights?.series.length !== groups.length + 1) {
      if (this.#weights) plots.splice(plots.indexOf(this.#weights), 1)
      this.#weights?.destroy()
      this.#weights = histogram(
        element('weights-plot'),
        groups.map(({ name }) => name),
      )
    }
    this.#weights.setData([edges, ...shares])
  }
}

export function element<Kind extends HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind
}

function curve(place: HTMLElement, names: readonly string[]): uPlot {
  return plot(place, {
    legend: { show: false },
    scales: {
      x: { time: false, range: (_, least, most) => [least, Math.max(most, least + 1)] },
      y: { range: (_, least, most) => padded(least, most) },
    },
    axes: [
      axis({ size: 26, incrs: [1, 2, 5, 10, 20, 50, 100, 200] }),
      axis({ size: 52, values: (_, ticks) => ticks.map((tick) => String(Number(tick.toPrecision(4)))) }),
    ],
    series: [{}, ...names.map((label, i) => (i === 0 ? line(label, i) : reference(label)))],
  })
}

function histogram(place: HTMLElement, names: readonly string[]): uPlot {
  const paths = uPlot.paths.stepped?.({ align: 1 })
  place.classList.toggle('keyed', names.length > 1)
  return plot(place, {
    legend: { show: names.length > 1, live: false },
    scales: {
      x: { time: false, range: [0, 1] },
      y: { range: (_, __, most) => [0, most * 1.05 || 1] },
    },
    axes: [axis({ size: 26 }), axis({ size: 52, values: (_, ticks) => ticks.map((tick) => `${tick} %`) })],
    series: [
      {},
      ...names.map((label, i) => ({
        ...line(label, i),
        paths,
        points: { show: false },
        fill: () => `${colour(colours[i])}33`,
      })),
    ],
  })
}

function plot(place: HTMLElement, options: Omit<uPlot.Options, 'width' | 'height'>): uPlot {
  const size = () => ({ width: place.clientWidth, height: 200 })
  const made = new uPlot({ ...size(), cursor: { show: false }, ...options }, [[]], place)
  plots.push(made)
  new ResizeObserver(() => made.setSize(size())).observe(place)
  return made
}

function line(label: string, i: number): uPlot.Series {
  return { label, stroke: () => colour(colours[i]), width: 2, spanGaps: true }
}

/** A level to compare with. */
function reference(label: string): uPlot.Series {
  return {
    ...line(label, 0),
    stroke: () => colour('quiet'),
    dash: [6, 4],
    width: 1.5,
    points: { show: false },
  }
}

/** Leaves some room around the values, and does not magnify small differences. */
function padded(least: number, most: number): [number, number] {
  const room = Math.max(0.05 * (most - least), (0.02 - (most - least)) / 2)
  return [least - room, most + room]
}

function axis(more: uPlot.Axis): uPlot.Axis {
  const grid = { stroke: () => colour('line'), width: 1 }
  return {
    stroke: () => colour('quiet'),
    font: '12px system-ui, sans-serif',
    gap: 6,
    grid,
    ticks: { show: false },
    ...more,
  }
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const plot of plots) plot.redraw(false, true)
})
