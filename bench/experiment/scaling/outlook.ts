import type { WorkName } from './work.ts'

/** The cluster and the model that the outlook is about. */
export const cluster = {
  nodes: 100,
  coresPerNode: 32,
  /** Bytes per second that a node sends, and as many that it receives: 25 Gbit/s. */
  bandwidth: 25e9 / 8,
  /** Seconds of a message. */
  latency: 30e-6,
  /** A perceptron of 15 layers of 8192 × 8192. */
  layers: 15,
  width: 8192,
  samples: 1e9,
  columns: 784,
} as const

export interface Outlook {
  readonly parameters: number
  /** Of a node, as many times that of the core that was measured. */
  readonly flops: number
  /** Seconds of the sum of a gradient over nodes, by a ring. */
  readonly reduction: number
  /** Samples per node and inner step whose gradient takes as long. */
  readonly hidingBatch: number
  /** Bytes of Kronecker factors and their inverses, whole, and per node where each has its layers. */
  readonly factors: number
  readonly factorsPerNode: number
  /** Seconds of A ∇f where every node has all layers, and where each solves its own and sends the result. */
  readonly solve: number
  readonly solveByLayers: number
  /** Bytes of θ and nine vectors as long: gradient, moments of optimisers, mean, direction, conjugate gradients. */
  readonly vectors: number
  /** Bytes of the features per node, and of labels, places and weights of all samples. */
  readonly features: number
  readonly perSample: number
}

/** Flops of the gradient of one sample, by the parameters of the model: the inputs need no gradient. */
export const flopsPerSample: Readonly<Record<WorkName, number>> = {
  cleaning: 4 * 784 * 10,
  perceptron: 6 * (784 * 1024 + 1024 * 1024 + 1024 * 10) - 2 * 784 * 1024,
}

/** What the cluster needs, for a core that does so many flops per second on the gradients of a perceptron. */
export function outlook(coreFlops: number): Outlook {
  const { nodes, coresPerNode, bandwidth, latency, layers, width, samples, columns } = cluster
  const parameters = layers * width ** 2
  const flops = coresPerNode * coreFlops
  const bytes = 4 * parameters
  const ring = 2 * (1 - 1 / nodes)
  const reduction = 2 * (nodes - 1) * latency + (ring * bytes) / bandwidth
  const solveFlops = layers * 4 * width ** 3
  const factors = layers * 4 * 4 * width ** 2
  const ownLayers = Math.ceil(layers / nodes)
  return {
    parameters,
    flops,
    reduction,
    hidingBatch: (reduction * flops) / (6 * parameters),
    factors,
    factorsPerNode: (factors / layers) * ownLayers,
    solve: solveFlops / flops,
    solveByLayers: ((solveFlops / layers) * ownLayers) / flops + bytes / bandwidth,
    vectors: 10 * bytes,
    features: (samples / nodes) * columns,
    perSample: 36 * samples,
  }
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toPrecision(3)} GiB`

export function told(found: Outlook): string {
  const { nodes, coresPerNode, samples } = cluster
  return [
    `${nodes} nodes of ${coresPerNode} cores with 25 Gbit/s, ${found.parameters.toExponential(2)} parameters, ${samples.toExponential(0)} samples, ${(found.flops / 1e12).toPrecision(3)} Tflop/s per node (an estimate from the measured core):`,
    `  sum of a gradient ${found.reduction.toPrecision(3)} s; computing takes as long from ${Math.ceil(found.hidingBatch)} samples per node and step on`,
    `  θ and vectors like it ${gib(found.vectors)} per node; Kronecker factors and inverses ${gib(found.factors)}, by layers ${gib(found.factorsPerNode)} on a node that has one`,
    `  A ∇f ${found.solve.toPrecision(3)} s where every node has all layers, ${found.solveByLayers.toPrecision(3)} s where each solves its own and sends the result`,
    `  features ${gib(found.features)} per node; what every node has of all samples (label, place, weight) ${gib(found.perSample)}`,
  ].join('\n')
}
