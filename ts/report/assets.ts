import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Plotter } from './html.ts'

/** uPlot from the installed package (Node only). */
export function loadPlotter(): Plotter {
  const { resolve } = createRequire(import.meta.url)
  return {
    script: readFileSync(resolve('uplot/dist/uPlot.iife.min.js'), 'utf8'),
    style: readFileSync(resolve('uplot/dist/uPlot.min.css'), 'utf8'),
  }
}
