// What stands for @nhgd/mpi where there is no MPI.
import { type Communicator, oneRank } from '../../ts/backend/communicator.ts'

export const mpi = async (): Promise<Communicator> => oneRank
