// The few functions of MPI that a communicator needs, as a Node-API addon.
//
// A collective runs on Node's thread pool and owns a copy of what it is given. It polls a request in place of a call that
// blocks, since MPI's own waits keep a core busy: ranks that wait leave it to those that compute.

#include <mpi.h>
#include <node_api.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/** Whether collectives may run on another thread than the one that initialised MPI. */
static bool threaded;

typedef enum { SUM, GATHER, BROADCAST } Kind;

typedef struct {
  Kind kind;
  bool wide;        // SUM: doubles, or floats
  int root;         // BROADCAST
  size_t length;    // entries of SUM, bytes of the others
  void *data;       // what this rank gives, and what comes of SUM and BROADCAST
  void *gathered;   // GATHER: the bytes of all ranks, one after the other
  int *counts;      // GATHER: bytes of each rank
  int status;       // of MPI
  napi_ref target;  // the array that is written back
  napi_deferred deferred;
  napi_async_work work;
} Collective;

/** Waits for a request: it yields at first, and sleeps for longer and longer, up to a fifth of a millisecond. */
static int settled(MPI_Request *request) {
  for (long spins = 0;; spins++) {
    int done = 0, status = MPI_Test(request, &done, MPI_STATUS_IGNORE);
    if (done || status != MPI_SUCCESS) return status;
    if (spins < 200) {
      sched_yield();
    } else {
      struct timespec pause = {0, spins < 1000 ? 20000 : 200000};
      nanosleep(&pause, NULL);
    }
  }
}

/** `work` where all is well so far. */
#define THEN(status, work) ((status) == MPI_SUCCESS ? (work) : (status))

/** The first entry of a rank's part, of `length` entries that the ranks share out. */
static size_t start_of(size_t length, int rank, int size) {
  return length / size * rank + ((size_t)rank < length % size ? (size_t)rank : length % size);
}

/**
 * Sums over ranks. Each rank gets its part of the entries from all others, adds them up in rank order, in double precision,
 * and gives the sums to all: every rank has the same bits, and a run with as many ranks has them again.
 */
static int sum(Collective *own) {
  int rank, size, status = MPI_SUCCESS;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Datatype type = own->wide ? MPI_DOUBLE : MPI_FLOAT;
  size_t width = own->wide ? sizeof(double) : sizeof(float);
  size_t first = start_of(own->length, rank, size), part = start_of(own->length, rank + 1, size) - first;
  int *numbers = malloc(4 * (size_t)size * sizeof(int));
  char *others = malloc(part * (size_t)size * width + 1);
  if (numbers && others) {
    int *parts = numbers, *places = numbers + size, *own_parts = numbers + 2 * size, *own_places = numbers + 3 * size;
    for (int r = 0; r < size; r++) {
      places[r] = (int)start_of(own->length, r, size);
      parts[r] = (int)start_of(own->length, r + 1, size) - places[r];
      own_parts[r] = (int)part;
      own_places[r] = (int)part * r;
    }
    MPI_Request request;
    status = MPI_Ialltoallv(own->data, parts, places, type, others, own_parts, own_places, type, MPI_COMM_WORLD, &request);
    status = THEN(status, settled(&request));
    for (size_t i = 0; status == MPI_SUCCESS && i < part; i++) {
      double total = 0;
      for (int r = 0; r < size; r++) {
        size_t at = part * (size_t)r + i;
        total += own->wide ? ((double *)others)[at] : ((float *)others)[at];
      }
      if (own->wide) ((double *)others)[i] = total;
      else ((float *)others)[i] = (float)total;
    }
    status = THEN(status, MPI_Iallgatherv(others, (int)part, type, own->data, parts, places, type, MPI_COMM_WORLD, &request));
    status = THEN(status, settled(&request));
  } else {
    status = MPI_ERR_NO_MEM;
  }
  free(numbers);
  free(others);
  return status;
}

/** The bytes of all ranks, which may be of different lengths. */
static int gather(Collective *own) {
  int size, bytes = (int)own->length;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Request request;
  int *places = malloc((size_t)size * sizeof(int));
  own->counts = malloc((size_t)size * sizeof(int));
  if (!places || !own->counts) return free(places), MPI_ERR_NO_MEM;
  int status = MPI_Iallgather(&bytes, 1, MPI_INT, own->counts, 1, MPI_INT, MPI_COMM_WORLD, &request);
  status = THEN(status, settled(&request));
  int64_t total = 0;
  for (int r = 0; status == MPI_SUCCESS && r < size; r++) {
    places[r] = (int)total;
    total += own->counts[r];
  }
  if (status == MPI_SUCCESS && total > INT32_MAX) status = MPI_ERR_COUNT;
  if (status == MPI_SUCCESS && !(own->gathered = malloc((size_t)total + 1))) status = MPI_ERR_NO_MEM;
  status = THEN(status, MPI_Iallgatherv(own->data, bytes, MPI_BYTE, own->gathered, own->counts, places, MPI_BYTE,
                                        MPI_COMM_WORLD, &request));
  status = THEN(status, settled(&request));
  free(places);
  return status;
}

static int broadcast(Collective *own) {
  MPI_Request request;
  int status = MPI_Ibcast(own->data, (int)own->length, MPI_BYTE, own->root, MPI_COMM_WORLD, &request);
  return THEN(status, settled(&request));
}

static void execute(napi_env env, void *data) {
  (void)env;
  Collective *own = data;
  own->status = own->kind == SUM ? sum(own) : own->kind == GATHER ? gather(own) : broadcast(own);
}

/** An error of MPI as an Error whose code is ERR_RANK. */
static napi_value error_of(napi_env env, int status) {
  char text[MPI_MAX_ERROR_STRING + 32] = "MPI failed: ";
  int length = 0;
  MPI_Error_string(status, text + strlen(text), &length);
  napi_value code, message, error;
  napi_create_string_utf8(env, "ERR_RANK", NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message);
  napi_create_error(env, code, message, &error);
  return error;
}

/** The memory of a typed array and its length in bytes. */
static bool bytes_of(napi_env env, napi_value array, napi_typedarray_type *type, void **data, size_t *bytes) {
  size_t length;
  if (napi_get_typedarray_info(env, array, type, &length, data, NULL, NULL) != napi_ok) return false;
  *bytes = length * (*type == napi_float64_array ? 8 : *type == napi_uint8_array ? 1 : 4);
  return true;
}

/** [Uint8Array of all bytes, Uint32Array of the bytes of each rank]. */
static napi_value gathered(napi_env env, Collective *own) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  size_t total = 0;
  for (int r = 0; r < size; r++) total += (size_t)own->counts[r];
  napi_value buffer, bytes, lengths, both;
  void *room;
  napi_create_arraybuffer(env, total, &room, &buffer);
  if (total) memcpy(room, own->gathered, total);
  napi_create_typedarray(env, napi_uint8_array, total, buffer, 0, &bytes);
  napi_create_arraybuffer(env, (size_t)size * 4, &room, &buffer);
  memcpy(room, own->counts, (size_t)size * 4);
  napi_create_typedarray(env, napi_uint32_array, (size_t)size, buffer, 0, &lengths);
  napi_create_array_with_length(env, 2, &both);
  napi_set_element(env, both, 0, bytes);
  napi_set_element(env, both, 1, lengths);
  return both;
}

static void complete(napi_env env, napi_status cancelled, void *data) {
  Collective *own = data;
  napi_value result, target;
  napi_get_undefined(env, &result);
  int status = cancelled == napi_ok ? own->status : MPI_ERR_OTHER;
  napi_get_reference_value(env, own->target, &target);
  if (status == MPI_SUCCESS && own->kind == GATHER) {
    result = gathered(env, own);
  } else if (status == MPI_SUCCESS) {
    napi_typedarray_type type;
    void *room;
    size_t bytes;
    // The caller may have transferred the array meanwhile.
    if (bytes_of(env, target, &type, &room, &bytes) && bytes == own->length * (own->kind == SUM ? (own->wide ? 8 : 4) : 1) && bytes)
      memcpy(room, own->data, bytes);
  }
  if (status == MPI_SUCCESS) napi_resolve_deferred(env, own->deferred, result);
  else napi_reject_deferred(env, own->deferred, error_of(env, status));
  napi_delete_reference(env, own->target);
  if (own->work) napi_delete_async_work(env, own->work);
  free(own->data);
  free(own->gathered);
  free(own->counts);
  free(own);
}

/** Starts a collective on the array that is the first argument; the second is the root of a broadcast. */
static napi_value start(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value args[2], promise, name;
  void *kind, *data;
  napi_typedarray_type type;
  size_t bytes;
  napi_get_cb_info(env, info, &count, args, NULL, &kind);
  if (!bytes_of(env, args[0], &type, &data, &bytes)) {
    napi_throw_type_error(env, "ERR_DTYPE", "\"values\" expected a typed array, got something else");
    return NULL;
  }
  Collective *own = calloc(1, sizeof(Collective));
  own->kind = (Kind)(intptr_t)kind;
  own->wide = type == napi_float64_array;
  own->length = own->kind == SUM ? bytes / (own->wide ? 8 : 4) : bytes;
  if (own->length > INT32_MAX || !(own->data = malloc(bytes + 1))) {
    free(own);
    napi_throw_range_error(env, "ERR_MEMORY", "\"values\" expected less than 2^31 entries that fit in memory, got more");
    return NULL;
  }
  if (bytes) memcpy(own->data, data, bytes);
  if (own->kind == BROADCAST) napi_get_value_int32(env, args[1], &own->root);
  napi_create_reference(env, args[0], 1, &own->target);
  napi_create_promise(env, &own->deferred, &promise);
  if (threaded) {
    napi_create_string_utf8(env, "mpi", NAPI_AUTO_LENGTH, &name);
    napi_create_async_work(env, NULL, name, execute, complete, own, &own->work);
    napi_queue_async_work(env, own->work);
  } else {
    execute(env, own);
    complete(env, napi_ok, own);
  }
  return promise;
}

/** Starts MPI; returns { rank, size }. */
static napi_value init(napi_env env, napi_callback_info info) {
  (void)info;
  int provided = MPI_THREAD_SINGLE, rank, size, running = 0;
  MPI_Initialized(&running);
  int status = running ? MPI_ERR_OTHER : MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
  if (status != MPI_SUCCESS) {
    napi_throw_error(env, "ERR_RANK", running ? "\"mpi\" expected one communicator per process, got a second one"
                                              : "MPI could not be started");
    return NULL;
  }
  threaded = provided >= MPI_THREAD_SERIALIZED;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  napi_value result, number;
  napi_create_object(env, &result);
  napi_create_int32(env, rank, &number);
  napi_set_named_property(env, result, "rank", number);
  napi_create_int32(env, size, &number);
  napi_set_named_property(env, result, "size", number);
  return result;
}

/** Ends MPI well. */
static napi_value finalize(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  MPI_Finalize();
  return NULL;
}

/** Ends all ranks with this status. */
static napi_value abort_all(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value args[1];
  int32_t code = 1;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  napi_get_value_int32(env, args[0], &code);
  fflush(NULL);
  MPI_Abort(MPI_COMM_WORLD, code);
  return NULL;
}

NAPI_MODULE_INIT() {
  const struct {
    const char *name;
    napi_callback call;
    intptr_t kind;
  } functions[] = {
    {"init", init, 0},           {"finalize", finalize, 0},   {"abort", abort_all, 0},
    {"allReduce", start, SUM},   {"allGather", start, GATHER}, {"broadcast", start, BROADCAST},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, (void *)functions[i].kind, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
