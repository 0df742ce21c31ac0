import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { kFolds } from '../../ts/data/folds.ts'
import { leastSquares } from '../../ts/defaults.ts'
import type { Method } from '../../ts/methods/method.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { type BilevelOptions, bilevel } from '../../ts/problems/bilevel.ts'
import {
  type Block,
  fixedWeights,
  learnedInputs,
  learnedTargets,
  marginWeights,
  penalty,
  sampleWeights,
  weightNetwork,
} from '../../ts/problems/blocks.ts'
import { crossValidation } from '../../ts/problems/crossValidation.ts'
import { customProblem } from '../../ts/problems/custom/customProblem.ts'
import {
  convolutionalNetwork,
  linearRegression,
  logisticRegression,
  type Model,
  multilayerPerceptron,
  softmaxRegression,
} from '../../ts/problems/model.ts'
import {
  boundaryControl,
  coefficientIdentification,
  heatControl,
  sourceControl,
} from '../../ts/problems/pdeConstrained.ts'
import type { AnyProblem } from '../../ts/problems/problem.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { Random } from './random.ts'
import { Ridge } from './ridge.ts'

const [classes, columns] = [3, 4]
const softmax = softmaxRegression({ classes })

/** A model with hyperparameters, over random samples that are always the same ones. */
function over(model: Model, hyperparameters: (random: Random) => Record<string, Block>) {
  return (backend: Backend) => {
    const random = new Random(11)
    const set = (count: number) => {
      const features = matrix(random.normals(count * columns), count, columns)
      if (model.kind === 'linear') return { features, targets: random.normals(count) }
      return { features, labels: random.labels(count, model.kind === 'logistic' ? 2 : classes) }
    }
    const [train, validation] = [set(24), set(12)]
    const options = { backend, model, train, validation, hyperparameters: hyperparameters(random) }
    return bilevel({ ...options, regularization: 0.02, dtype: 'f64' } as BilevelOptions)
  }
}

const weights = () => ({ weights: sampleWeights() })
const small = { hidden: [8], points: 8 }

const pdeConstrained: Record<string, (backend: Backend) => AnyProblem> = {
  'boundary control': (backend) => boundaryControl({ backend, ...small }),
  'source control': (backend) => sourceControl({ backend, ...small }),
  'identification of a coefficient': (backend) => coefficientIdentification({ backend, ...small }),
  'heat control': (backend) => heatControl({ backend, ...small }),
}

/** Every constructor of problems, every model and every block, in small. */
export const everyProblem: Record<string, (backend: Backend) => AnyProblem> = {
  'softmax regression, weights': over(softmax, weights),
  'softmax regression, weights of margins and a fixed mask': over(softmax, (random) => ({
    weights: marginWeights(),
    mask: fixedWeights(random.normals(24).map(Math.abs)),
  })),
  'softmax regression, a network of signals': over(softmax, (random) => ({
    weights: weightNetwork({
      signals: matrix(random.normals(48), 24, 2),
      hidden: 2,
      checked: { right: [0, 7], wrong: [3] },
    }),
  })),
  'linear regression, a penalty per feature of a learned power': over(linearRegression(), () => ({
    penalty: penalty({ per: 'feature', power: 'learned' }),
  })),
  'logistic regression, weights with anchors': over(logisticRegression(), () => ({
    weights: sampleWeights({ anchors: 2 }),
  })),
  'a perceptron, a penalty per layer': over(multilayerPerceptron({ classes, hidden: [4] }), () => ({
    penalty: penalty({ per: 'layer' }),
  })),
  'a convolutional network': over(
    convolutionalNetwork({
      classes,
      image: { height: 2, width: 2 },
      convolutions: [{ channels: 2, kernel: 1 }],
      activation: 'tanh',
    }),
    weights,
  ),
  'learned inputs and targets': over(softmax, () => ({
    inputs: learnedInputs(),
    targets: learnedTargets(),
  })),
  folds(backend) {
    const random = new Random(12)
    const features = matrix(random.normals(30 * columns), 30, columns)
    return crossValidation({
      backend,
      model: softmax,
      samples: { features, labels: random.labels(30, classes) },
      folds: kFolds(30, 3, 1),
      hyperparameters: { penalty: penalty({ per: 'feature' }) },
      dtype: 'f64',
    })
  },
  'a quadratic problem': (backend) =>
    quadratic({ backend, h: [2, 0, 0, 1], c: [1, 0, 0, 1], c0: [1, 0], q: [1, 0, 0, 2], t: [1, 2], mu: 0.1 }),
  'functions of a user': (backend) => customProblem(new Ridge().options(backend)),
  ...pdeConstrained,
}

/** A method that suits a problem of these, in small. */
export const methodFor = (name: string): Method =>
  name in pdeConstrained
    ? nhgd({ ...leastSquares, innerSteps: 4 })
    : nhgd({ innerSteps: 6, batchSize: 8, refineSamples: 16 })
