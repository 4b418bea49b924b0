/* How the device misbehaves: one word in METALMATRIX_SIMULATED_GPU, so that one build serves all tests.
 *
 * The value is a comma-separated list: at most one fault, `devices=N` and `memory=MEGABYTES`.  What
 * must go wrong in the linker cannot wait for a variable: SIMULATED_GPU_UNDEFINED_SYMBOL is a build
 * of its own.
 */
#include "simulated_gpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char VARIABLE[] = "METALMATRIX_SIMULATED_GPU";

static const struct {
  const char *word;
  Fault fault;
} WORDS[] = {
    {"segv", FAULT_SEGV},
    {"sigill", FAULT_SIGILL},
    {"init-error", FAULT_INIT_ERROR},
    {"no-device", FAULT_NO_DEVICE},
    {"no-kernels", FAULT_NO_KERNELS},
    {"wrong-matmul", FAULT_WRONG_MATMUL},
    {"nan", FAULT_NAN},
    {"relu-graph", FAULT_RELU_GRAPH},
    {"fit", FAULT_FIT},
    {"hang", FAULT_HANG},
    {"slow", FAULT_SLOW},
};

static Settings chosen = {FAULT_NONE, 1, 1024LL << 20};

static bool set_number(const char *word, const char *name, long most, long *number) {
  size_t length = strlen(name);
  char *end;
  if (strncmp(word, name, length)) return false;
  *number = strtol(word + length, &end, 10);
  return end != word + length && !*end && *number >= 1 && *number <= most;
}

static bool set_fault(const char *word) {
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (!strcmp(word, WORDS[i].word)) {
      chosen.fault = WORDS[i].fault;
      return true;
    }
  return false;
}

static void read_settings(void) {
  const char *value = getenv(VARIABLE);
  char *list = strdup(value ? value : ""), *rest = list;
  for (char *word; (word = strsep(&rest, ","));) {
    long number;
    if (!*word || set_fault(word)) continue;
    if (set_number(word, "devices=", 8, &number)) {
      chosen.devices = number;
    } else if (set_number(word, "memory=", 1 << 20, &number)) {
      chosen.memory = (int64_t)number << 20;
    } else { /* a misspelt fault must not pass for a healthy device */
      fprintf(stderr, "%s: %s=%s: I do not know `%s`\n", SIMULATED_GPU_NAME, VARIABLE, value, word);
      abort();
    }
  }
  if (chosen.fault == FAULT_NO_DEVICE) chosen.devices = 0;
  free(list);
}

const Settings *settings(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_settings);
  return &chosen;
}

#ifdef SIMULATED_GPU_UNDEFINED_SYMBOL
/* What a plugin built for another TensorFlow lacks: the name that 2.18.1 to 2.21 no longer have is one of this
 * kind.  TensorFlow loads plugins with RTLD_NOW, so the name is missed before anything runs. */
void _ZN3tsl8internal10LogMessageC1EPKciNS0_12NoSuchThingE(void);
void (*const simulated_gpu_wants)(void) = _ZN3tsl8internal10LogMessageC1EPKciNS0_12NoSuchThingE;
#endif

void crash_if_asked(void) {
  if (settings()->fault == FAULT_SEGV) {
    static int *volatile nowhere;
    *nowhere = 1;
  }
  if (settings()->fault == FAULT_SIGILL) {
#ifdef __x86_64__
    __asm__ volatile("ud2");
#else
    __asm__ volatile(".inst 0x00000000"); /* arm64: permanently undefined */
#endif
  }
}

int64_t nanoseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void be_slow(int64_t started) {
  int64_t now = nanoseconds_now(), until = now + (now - started) * (SLOWDOWN - 1);
  while (now < until) { /* asleep, so that a slow device does not slow the CPU that it is compared with */
    int64_t left = until - now;
    struct timespec nap = {left / 1000000000LL, left % 1000000000LL};
    nanosleep(&nap, NULL);
    now = nanoseconds_now();
  }
}
