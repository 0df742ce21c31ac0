// The library but for how a backend is loaded, which each entry point decides.
export { type Backend, type BackendInfo, upload } from './backend/backend.ts'
export type {
  Batch,
  DType,
  Features,
  FisherHandle,
  Float32ArrayOut,
  Float64ArrayOut,
  Handle,
  Mapping,
  Optimizer,
  Oracles,
  Point,
  Predictor,
  Sampler,
  Step,
  Transition,
  Vector,
  View,
} from './backend/binding.ts'
export { type Communicator, oneRank, rowsOfRank } from './backend/communicator.ts'
export { type ErrorCode, NhgdError } from './backend/errors.ts'
export type { Fisher, FisherSettings, SolveReport } from './backend/fisher.ts'
export { type Matrix, matrix, type Numbers } from './backend/matrix.ts'
export {
  type IndexedMatrix,
  type MatrixLike,
  type StridedLike,
  type TensorLike,
  toMatrix,
} from './backend/matrixLike.ts'
export type {
  ActivationKind,
  BlockSettings,
  ConvolutionSettings,
  DenseSettings,
  DiagonalSettings,
  EigenKroneckerSettings,
  ImageSettings,
  KroneckerDamping,
  KroneckerSettings,
  LossKind,
  ModelSettings,
  OptimizerRule,
  PerKind,
  PoolingKind,
  PriorSettings,
  RowKind,
  SamplesSettings,
  Sharing,
  SketchSettings,
  Smoothing,
  Start,
  Statistic,
  WindowSettings,
} from './backend/settings.ts'
export type { ColumnLike, TableLike } from './backend/table.ts'
export { leastSquares } from './defaults.ts'
export type { Clock } from './hypergradient/clock.ts'
export type { RefineSettings, Stopped } from './hypergradient/conjugateGradients.ts'
export type { CrossSettings } from './hypergradient/cross.ts'
export type { FisherState } from './hypergradient/direction.ts'
export type { InnerOptimizerSettings } from './hypergradient/innerOptimizer.ts'
export type { LevenbergMarquardtSettings } from './hypergradient/levenbergMarquardt.ts'
export type { ObserveOptions } from './hypergradient/observer.ts'
export type { OptimizerSettings, Rate, Stepper, WithRate } from './hypergradient/optimizer.ts'
export type { State } from './hypergradient/state.ts'
export { type AmigoOptions, amigo } from './methods/amigo.ts'
export { type CheckOptions, type CheckResult, checkHypergradient } from './methods/checkHypergradient.ts'
export { type ConjugateGradientsOptions, conjugateGradients } from './methods/conjugateGradients.ts'
export { type ExactOptions, exact } from './methods/exact.ts'
export { type F2saOptions, f2sa } from './methods/f2sa.ts'
export { kfacImplicit } from './methods/kfacImplicit.ts'
export { type MaSobaOptions, maSoba } from './methods/maSoba.ts'
export type { Estimate, Method } from './methods/method.ts'
export { type MrboOptions, mrbo } from './methods/mrbo.ts'
export { type NeumannOptions, neumann } from './methods/neumann.ts'
export { nhgd } from './methods/nhgd.ts'
export { type NhgdOptions, paper } from './methods/nhgdOptions.ts'
export { type NystromOptions, nystrom } from './methods/nystrom.ts'
export { type OneStepOptions, oneStep } from './methods/oneStep.ts'
export {
  type PreconditionedConjugateGradientsOptions,
  preconditionedConjugateGradients,
} from './methods/preconditionedConjugateGradients.ts'
export { type QnboOptions, qnbo } from './methods/qnbo.ts'
export { type SabaOptions, saba } from './methods/saba.ts'
export { type SamaOptions, sama } from './methods/sama.ts'
export type { SingleLoopOptions } from './methods/singleLoop.ts'
export { type SobaOptions, soba } from './methods/soba.ts'
export { type UnrolledOptions, unrolled } from './methods/unrolled.ts'
export { type BilevelOptions, bilevel } from './problems/bilevel.ts'
export {
  type Block,
  type CheckedLabels,
  fixedWeights,
  type LearnedOptions,
  type LearnedTargetsOptions,
  learnedInputs,
  learnedTargets,
  type MarginWeightsOptions,
  marginWeights,
  type PenaltyOptions,
  type Prior,
  penalty,
  sampleWeights,
  type WeightNetworkOptions,
  type WeightsOptions,
  weightNetwork,
} from './problems/blocks.ts'
export { type CrossValidationOptions, crossValidation, type FoldRows } from './problems/crossValidation.ts'
export type { Eventual, Filled, FilledWithValue } from './problems/custom/callback.ts'
export {
  type CheckDerivativesOptions,
  type CheckDerivativesResult,
  checkDerivatives,
  type DerivativeCheck,
} from './problems/custom/checkDerivatives.ts'
export { type CustomProblemOptions, customProblem } from './problems/custom/customProblem.ts'
export type { ArrayOf, InnerObjective, OuterObjective } from './problems/custom/objectives.ts'
export type { Entries } from './problems/custom/room.ts'
export { type DistillationOptions, distillation } from './problems/distillation.ts'
export type { Equation, Field, Observation, Operator } from './problems/equations.ts'
export {
  type ConvolutionalOptions,
  type ConvolutionOptions,
  convolutionalNetwork,
  linearRegression,
  logisticRegression,
  type Model,
  multilayerPerceptron,
  type NetworkModel,
  type PerceptronOptions,
  softmaxRegression,
} from './problems/model.ts'
export {
  boundaryControl,
  coefficientIdentification,
  type Domain,
  heatBasis,
  heatControl,
  heatProfile,
  heatTarget,
  type PdeConstrainedOptions,
  type SourceControlOptions,
  sourceBasis,
  sourceControl,
  trueCoefficients,
} from './problems/pdeConstrained.ts'
export { type PhysicsInformedOptions, physicsInformed } from './problems/physicsInformed.ts'
export {
  type AnyOracles,
  type AnyProblem,
  type ComputedOracle,
  type Eventually,
  Problem,
  type ProblemStart,
  type Spread,
} from './problems/problem.ts'
export { type QuadraticOptions, quadratic } from './problems/quadratic.ts'
export { type ReweightingOptions, reweighting } from './problems/reweighting.ts'
export type { LabelledSet, SampleSet, TargetSet } from './problems/samples.ts'
export type { CheckpointOptions } from './run/checkpointFile.ts'
export { type HypergradientOptions, type HypergradientResult, hypergradient } from './run/hypergradient.ts'
export type { Progress, SolveOptions } from './run/options.ts'
export { resume, type Solve, type SolveResult, type Status, save, solve } from './run/solve.ts'
export { Classifier, type SaveOptions } from './tasks/classifier.ts'
export {
  type BilevelGain,
  type Checked,
  type CleaningProgress,
  type CleanLabelsOptions,
  type CleanLabelsResult,
  cleanLabels,
  type Estimate as LabelEstimate,
  type HeldOutGain,
  type Issue,
} from './tasks/cleanLabels/cleanLabels.ts'
export { inSentences } from './tasks/cleanLabels/inSentences.ts'
export { type RankingColumnsOptions, rankingColumns } from './tasks/cleanLabels/rankingColumns.ts'
export {
  type Contender,
  type DistillOptions,
  type DistillProgress,
  type DistillResult,
  distill,
  type Judged,
  type Labelled,
  type SmallSet,
} from './tasks/distill/distill.ts'
export { type SmallSetColumnsOptions, smallSetColumns } from './tasks/distill/smallSetColumns.ts'
export type { InfluenceTile } from './tasks/influence/effects.ts'
export { type FittedInfluence, influence, selfInfluence, valueData } from './tasks/influence/influence.ts'
export {
  type InfluenceColumnsOptions,
  influenceColumns,
  type ValueColumnsOptions,
  valueColumns,
} from './tasks/influence/influenceColumns.ts'
export { InfluenceModel } from './tasks/influence/influenceModel.ts'
export type {
  DataValueOptions,
  DataValueResult,
  InfluenceControl,
  InfluenceEffect,
  InfluenceModelOptions,
  InfluenceOptions,
  InfluenceOutcome,
  InfluenceProgress,
  InfluenceResult,
  SelfInfluenceResult,
  TestInfluence,
} from './tasks/influence/options.ts'
export { accuracy, auc } from './tasks/metrics.ts'
export type { ModelFormat, ModelNames } from './tasks/modelFile.ts'
export { type RelabelNextOptions, type RelabelProposal, relabelNext } from './tasks/review/relabelNext.ts'
export type { TaskCheckpoint } from './tasks/stages.ts'
export {
  type CoefficientColumnsOptions,
  coefficientColumns,
} from './tasks/tuneRegularization/coefficientColumns.ts'
export type {
  Coefficient,
  Score,
  TunedPenalty,
  TuneProgress,
  TuneRegularizationOptions,
  TuneRegularizationResult,
} from './tasks/tuneRegularization/options.ts'
export { type RegressionNetwork, Regressor } from './tasks/tuneRegularization/regressor.ts'
export { tuneRegularization } from './tasks/tuneRegularization/tuneRegularization.ts'
