/* The platform, its devices, their memory and their streams: the StreamExecutor C API.
 *
 * Memory is the host's, counted truthfully, and refused beyond the device's size.  Every operation on
 * a stream is over when the call returns, so events are always complete and waiting is nothing to do.
 */
#include "simulated_gpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/experimental/stream_executor/stream_executor.h"

enum { MOST_DEVICES = 8 };

static void ok(TF_Status *status) { TF_SetStatus(status, TF_OK, ""); }

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct {
  int64_t allocations, in_use, peak, largest;
} Usage;

static Usage usages[MOST_DEVICES];
static pthread_mutex_t usage_lock = PTHREAD_MUTEX_INITIALIZER;

static bool take(int ordinal, int64_t size) {
  Usage *usage = &usages[ordinal];
  pthread_mutex_lock(&usage_lock);
  bool fits = usage->in_use + size <= settings()->memory;
  if (fits) {
    usage->allocations++;
    usage->in_use += size;
    if (usage->in_use > usage->peak) usage->peak = usage->in_use;
    if (size > usage->largest) usage->largest = size;
  }
  pthread_mutex_unlock(&usage_lock);
  return fits;
}

static void give_back(int ordinal, int64_t size) {
  pthread_mutex_lock(&usage_lock);
  usages[ordinal].in_use -= size;
  pthread_mutex_unlock(&usage_lock);
}

static void *aligned(uint64_t size) { return aligned_alloc(256, (size + 255) & ~UINT64_C(255)); }

static void allocate(const SP_Device *device, uint64_t size, int64_t space, SP_DeviceMemoryBase *memory) {
  memory->struct_size = SP_DEVICE_MEMORY_BASE_STRUCT_SIZE;
  memory->opaque = NULL;
  memory->size = 0;
  if (!size || !take(device->ordinal, size)) return;
  memory->opaque = aligned(size);
  if (memory->opaque)
    memory->size = size;
  else
    give_back(device->ordinal, size);
}

static void deallocate(const SP_Device *device, SP_DeviceMemoryBase *memory) {
  free(memory->opaque);
  give_back(device->ordinal, memory->size);
  memory->opaque = NULL;
  memory->size = 0;
}

static void *host_allocate(const SP_Device *device, uint64_t size) { return aligned(size); }

static void host_deallocate(const SP_Device *device, void *memory) { free(memory); }

static TF_Bool allocator_stats(const SP_Device *device, SP_AllocatorStats *stats) {
  pthread_mutex_lock(&usage_lock);
  Usage usage = usages[device->ordinal];
  pthread_mutex_unlock(&usage_lock);
  *stats = (SP_AllocatorStats){.struct_size = SP_ALLOCATORSTATS_STRUCT_SIZE,
                               .num_allocs = usage.allocations,
                               .bytes_in_use = usage.in_use,
                               .peak_bytes_in_use = usage.peak,
                               .largest_alloc_size = usage.largest,
                               .has_bytes_limit = 1,
                               .bytes_limit = settings()->memory};
  return 1;
}

static TF_Bool memory_usage(const SP_Device *device, int64_t *available, int64_t *total) {
  pthread_mutex_lock(&usage_lock);
  *total = settings()->memory;
  *available = *total - usages[device->ordinal].in_use;
  pthread_mutex_unlock(&usage_lock);
  return 1;
}

/* ---- streams, events and timers -------------------------------------------------------------- */

struct SP_Stream_st {
  char unused;
};
struct SP_Event_st {
  char unused;
};
struct SP_Timer_st {
  int64_t started, stopped;
};

static void create_stream(const SP_Device *device, SP_Stream *stream, TF_Status *status) {
  *stream = calloc(1, sizeof **stream);
  ok(status);
}
static void destroy_stream(const SP_Device *device, SP_Stream stream) { free(stream); }
static void stream_dependency(const SP_Device *device, SP_Stream a, SP_Stream b, TF_Status *status) { ok(status); }
static void stream_status(const SP_Device *device, SP_Stream stream, TF_Status *status) { ok(status); }

static void create_event(const SP_Device *device, SP_Event *event, TF_Status *status) {
  *event = calloc(1, sizeof **event);
  ok(status);
}
static void destroy_event(const SP_Device *device, SP_Event event) { free(event); }
static SE_EventStatus event_status(const SP_Device *device, SP_Event event) { return SE_EVENT_COMPLETE; }
static void on_event(const SP_Device *device, SP_Stream stream, SP_Event event, TF_Status *status) { ok(status); }
static void block_for_event(const SP_Device *device, SP_Event event, TF_Status *status) { ok(status); }
static void block_until_done(const SP_Device *device, SP_Stream stream, TF_Status *status) { ok(status); }
static void synchronize(const SP_Device *device, TF_Status *status) { ok(status); }

static void create_timer(const SP_Device *device, SP_Timer *timer, TF_Status *status) {
  *timer = calloc(1, sizeof **timer);
  ok(status);
}
static void destroy_timer(const SP_Device *device, SP_Timer timer) { free(timer); }
static void start_timer(const SP_Device *device, SP_Stream stream, SP_Timer timer, TF_Status *status) {
  timer->started = nanoseconds_now();
  ok(status);
}
static void stop_timer(const SP_Device *device, SP_Stream stream, SP_Timer timer, TF_Status *status) {
  timer->stopped = nanoseconds_now();
  ok(status);
}
static uint64_t timer_nanoseconds(SP_Timer timer) { return timer->stopped - timer->started; }

static TF_Bool host_callback(const SP_Device *device, SP_Stream stream, SE_StatusCallbackFn call, void *argument) {
  TF_Status *status = TF_NewStatus();
  call(argument, status);
  bool fine = TF_GetCode(status) == TF_OK;
  TF_DeleteStatus(status);
  return fine;
}

/* ---- copies and fills ------------------------------------------------------------------------ */

typedef SP_DeviceMemoryBase Memory;

static void sync_to_host(const SP_Device *device, void *to, const Memory *from, uint64_t size, TF_Status *status) {
  memcpy(to, from->opaque, size);
  ok(status);
}
static void sync_to_device(const SP_Device *device, Memory *to, const void *from, uint64_t size, TF_Status *status) {
  memcpy(to->opaque, from, size);
  ok(status);
}
static void sync_on_device(const SP_Device *device, Memory *to, const Memory *from, uint64_t size, TF_Status *status) {
  memmove(to->opaque, from->opaque, size);
  ok(status);
}
static void to_host(const SP_Device *device, SP_Stream stream, void *to, const Memory *from, uint64_t size,
                    TF_Status *status) {
  sync_to_host(device, to, from, size, status);
}
static void to_device(const SP_Device *device, SP_Stream stream, Memory *to, const void *from, uint64_t size,
                      TF_Status *status) {
  sync_to_device(device, to, from, size, status);
}
static void on_device(const SP_Device *device, SP_Stream stream, Memory *to, const Memory *from, uint64_t size,
                      TF_Status *status) {
  sync_on_device(device, to, from, size, status);
}
static void fill(const SP_Device *device, SP_Stream stream, Memory *to, uint8_t pattern, uint64_t size,
                 TF_Status *status) {
  memset(to->opaque, pattern, size);
  ok(status);
}
static void fill_zero(const SP_Device *device, SP_Stream stream, Memory *to, uint64_t size, TF_Status *status) {
  fill(device, stream, to, 0, size, status);
}
static void fill_words(const SP_Device *device, SP_Stream stream, Memory *to, uint32_t pattern, uint64_t size,
                       TF_Status *status) {
  uint32_t *words = to->opaque;
  for (uint64_t i = 0; i < size / sizeof *words; i++) words[i] = pattern;
  ok(status);
}

/* ---- the platform ---------------------------------------------------------------------------- */

static void device_count(const SP_Platform *platform, int *count, TF_Status *status) {
  *count = settings()->devices;
  ok(status);
}

static void create_device(const SP_Platform *platform, SE_CreateDeviceParams *params, TF_Status *status) {
  *params->device = (SP_Device){.struct_size = SP_DEVICE_STRUCT_SIZE,
                                .ordinal = params->ordinal,
                                .hardware_name = SIMULATED_GPU_NAME,
                                .device_vendor = "metalmatrix",
                                .pci_bus_id = "0000:00:00.0"};
  ok(status);
}
static void destroy_device(const SP_Platform *platform, SP_Device *device) {}

static int32_t no_numa_node(const SP_Device *device) { return -1; }

static void create_device_fns(const SP_Platform *platform, SE_CreateDeviceFnsParams *params, TF_Status *status) {
  *params->device_fns = (SP_DeviceFns){.struct_size = SP_DEVICE_FNS_STRUCT_SIZE, .get_numa_node = no_numa_node};
  ok(status);
}
static void destroy_device_fns(const SP_Platform *platform, SP_DeviceFns *functions) {}

static void create_executor(const SP_Platform *platform, SE_CreateStreamExecutorParams *params, TF_Status *status) {
  *params->stream_executor = (SP_StreamExecutor){
      .struct_size = SP_STREAMEXECUTOR_STRUCT_SIZE,
      .allocate = allocate,
      .deallocate = deallocate,
      .host_memory_allocate = host_allocate,
      .host_memory_deallocate = host_deallocate,
      .get_allocator_stats = allocator_stats,
      .device_memory_usage = memory_usage,
      .create_stream = create_stream,
      .destroy_stream = destroy_stream,
      .create_stream_dependency = stream_dependency,
      .get_stream_status = stream_status,
      .create_event = create_event,
      .destroy_event = destroy_event,
      .get_event_status = event_status,
      .record_event = on_event,
      .wait_for_event = on_event,
      .create_timer = create_timer,
      .destroy_timer = destroy_timer,
      .start_timer = start_timer,
      .stop_timer = stop_timer,
      .memcpy_dtoh = to_host,
      .memcpy_htod = to_device,
      .memcpy_dtod = on_device,
      .sync_memcpy_dtoh = sync_to_host,
      .sync_memcpy_htod = sync_to_device,
      .sync_memcpy_dtod = sync_on_device,
      .block_host_for_event = block_for_event,
      .block_host_until_done = block_until_done,
      .synchronize_all_activity = synchronize,
      .mem_zero = fill_zero,
      .memset = fill,
      .memset32 = fill_words,
      .host_callback = host_callback};
  ok(status);
}
static void destroy_executor(const SP_Platform *platform, SP_StreamExecutor *executor) {}

static void create_timer_fns(const SP_Platform *platform, SP_TimerFns *functions, TF_Status *status) {
  *functions = (SP_TimerFns){.struct_size = SP_TIMER_FNS_STRUCT_SIZE, .nanoseconds = timer_nanoseconds};
  ok(status);
}
static void destroy_timer_fns(const SP_Platform *platform, SP_TimerFns *functions) {}

static void destroy_platform(SP_Platform *platform) {}
static void destroy_platform_fns(SP_PlatformFns *functions) {}

EXPORTED void SE_InitPlugin(SE_PlatformRegistrationParams *params, TF_Status *status) {
  /* On stderr as well: what this process prints last before a crash is in its record. */
  fprintf(stderr, "%s: a test double, whose results are evidence of nothing\n", SIMULATED_GPU_NAME);
  crash_if_asked();
  if (settings()->fault == FAULT_INIT_ERROR) {
    TF_SetStatus(status, TF_FAILED_PRECONDITION, SIMULATED_GPU_NAME ": no usable driver");
    return;
  }
  *params->platform = (SP_Platform){.struct_size = SP_PLATFORM_STRUCT_SIZE,
                                    .name = SIMULATED_GPU_PLATFORM,
                                    .type = "GPU",
                                    .use_bfc_allocator = 1};
  *params->platform_fns = (SP_PlatformFns){.struct_size = SP_PLATFORM_FNS_STRUCT_SIZE,
                                           .get_device_count = device_count,
                                           .create_device = create_device,
                                           .destroy_device = destroy_device,
                                           .create_device_fns = create_device_fns,
                                           .destroy_device_fns = destroy_device_fns,
                                           .create_stream_executor = create_executor,
                                           .destroy_stream_executor = destroy_executor,
                                           .create_timer_fns = create_timer_fns,
                                           .destroy_timer_fns = destroy_timer_fns};
  params->destroy_platform = destroy_platform;
  params->destroy_platform_fns = destroy_platform_fns;
  ok(status);
}
