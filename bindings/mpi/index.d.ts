import type { Communicator } from 'nhgd'

/**
 * The ranks of the job that this process was started in, by `mpirun` or `srun`; one rank where it was started alone.
 *
 * From here on the ranks end together. An error that nobody catches is printed once, with its rank, and ends all ranks
 * with a status other than 0; so does a rank that exits with such a status.
 *
 * @throws Error with the code `ERR_RANK` where the addon was not built, or MPI cannot start.
 */
export function mpi(): Promise<Communicator>
