/* NVML of a node with eight GPUs, as its header declares it; gpu 7 is cut by MIG.
 *
 * LOST=n: GPU n does not answer. ECC=n: GPU n has errors. DIES_AT=n: from its n-th question on the
 * driver only says that the GPU is lost. HANGS_AT=n: it does not come back from that question.
 * XID=n: GPU 3 has that Xid, XIDS times (once). DEAF=n: GPU n tells no events, 8: none does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gi, ci; } process;
typedef struct { unsigned int gpu, memory; } use;
typedef struct {
  unsigned int id, scope; long long at, latency; int type, error;
  union { double d; unsigned int ui; unsigned long long ull; } value;
} field;
typedef struct {
  unsigned int version; unsigned char uuid[16]; int status; unsigned int clique;
  unsigned char state; unsigned int health;
} fabric;

typedef struct { void *gpu; unsigned long long kind, data; unsigned int gi, ci; } event;

enum { OK, UNSUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10, LOST = 15 };

static int number(const char *name) {
  const char *told = getenv(name);
  return told ? atoi(told) : -1;
}

static int asked;
static int dead(void) {
  int now = ++asked, hangs = number("HANGS_AT"), dies = number("DIES_AT");
  if (hangs >= 0 && now >= hangs) sleep(60);
  return dies >= 0 && now >= dies;
}

static int index_of(void *gpu) { return (int)(long)gpu - 1; }
static int is(const char *name, void *gpu) { return number(name) == index_of(gpu); }
#define ASKED if (dead()) return LOST;

int nvmlInit_v2(void) { return OK; }
int nvmlInitWithFlags(unsigned int flags) { return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : code == UNSUPPORTED ? "Not Supported" : "other"; }
int nvmlSystemGetDriverVersion(char *to, unsigned int size) {
  ASKED strncpy(to, "535.161.08", size);
  return OK;
}
int nvmlDeviceGetCount_v2(unsigned int *count) { ASKED *count = 8; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **to) {
  ASKED *to = (void *)(long)(index + 1);
  return is("LOST", *to) ? LOST : OK;
}
int nvmlDeviceGetUUID(void *gpu, char *to, unsigned int size) {
  ASKED snprintf(to, size, gpu == (void *)99 ? "MIG-7" : "GPU-%d", index_of(gpu));
  return OK;
}
int nvmlDeviceGetName(void *gpu, char *to, unsigned int size) {
  ASKED strncpy(to, "NVIDIA H100 80GB HBM3", size);
  return OK;
}
int nvmlDeviceGetMemoryInfo_v2(void *gpu, memory_v2 *to) {
  ASKED to->total = 80; to->reserved = 1; to->used = 70; to->free = 9;
  return OK;
}
int nvmlDeviceGetMigMode(void *gpu, unsigned int *now, unsigned int *later) {
  ASKED *now = *later = index_of(gpu) == 7;
  return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *gpu, unsigned int *to) { ASKED *to = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *gpu, unsigned int index, void **to) {
  ASKED *to = (void *)99;
  return index == 0 ? OK : NOT_FOUND;
}
int nvmlDeviceGetGpuInstanceId(void *gpu, unsigned int *to) { ASKED *to = 1; return OK; }
int nvmlDeviceGetComputeInstanceId(void *gpu, unsigned int *to) { ASKED *to = 0; return OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *gpu, unsigned int *count, process *to) {
  ASKED
  if (index_of(gpu) == 7) { *count = 0; return OK; }
  if (to == 0 || *count < 1) { *count = 1; return TOO_SMALL; }
  to[0].pid = gpu == (void *)99 ? 4207 : 4200 + index_of(gpu);
  to[0].used = 69; to[0].gi = to[0].ci = ~0U;
  *count = 1;
  return OK;
}
int nvmlDeviceGetTotalEccErrors(void *gpu, int kind, int since, unsigned long long *to) {
  ASKED *to = is("ECC", gpu) ? 1 + kind + 2 * since : 0;
  return OK;
}
int nvmlDeviceGetRemappedRows(
    void *gpu, unsigned int *cor, unsigned int *unc, unsigned int *pending, unsigned int *failed) {
  ASKED *cor = 0; *unc = *pending = is("ECC", gpu); *failed = 0;
  return OK;
}
int nvmlDeviceGetRetiredPagesPendingStatus(void *gpu, int *to) { ASKED return UNSUPPORTED; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *gpu, unsigned long long *to) {
  ASKED *to = index_of(gpu) == 2 ? 0x44 : 1;
  return OK;
}
int nvmlDeviceGetUtilizationRates(void *gpu, use *to) { ASKED to->gpu = 97; return OK; }
int nvmlDeviceGetTemperature(void *gpu, int sensor, unsigned int *to) { ASKED *to = 55; return OK; }
int nvmlDeviceGetTemperatureThreshold(void *gpu, int which, unsigned int *to) {
  ASKED *to = which == 1 ? 89 : 0;
  return OK;
}
int nvmlDeviceGetPowerUsage(void *gpu, unsigned int *to) { ASKED *to = 512345; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(void *gpu, unsigned int *to) { ASKED *to = 700000; return OK; }
int nvmlDeviceGetCurrPcieLinkGeneration(void *gpu, unsigned int *to) { ASKED *to = 5; return OK; }
int nvmlDeviceGetMaxPcieLinkGeneration(void *gpu, unsigned int *to) { ASKED *to = 5; return OK; }
int nvmlDeviceGetCurrPcieLinkWidth(void *gpu, unsigned int *to) {
  ASKED *to = index_of(gpu) == 3 ? 8 : 16;
  return OK;
}
int nvmlDeviceGetMaxPcieLinkWidth(void *gpu, unsigned int *to) { ASKED *to = 16; return OK; }
int nvmlDeviceGetNvLinkState(void *gpu, unsigned int link, unsigned int *to) {
  ASKED *to = !(index_of(gpu) == 5 && link > 15);
  return link < 18 ? OK : 2;
}
int nvmlDeviceGetNvLinkRemoteDeviceType(void *gpu, unsigned int link, int *to) {
  ASKED *to = 2;
  return OK;
}
int nvmlDeviceGetFieldValues(void *gpu, int count, field *to) {
  ASKED to[0].error = to[0].id == 230 ? OK : UNSUPPORTED;
  to[0].value.ui = is("ECC", gpu);
  return OK;
}
int nvmlDeviceGetGpuFabricInfoV(void *gpu, fabric *to) {
  ASKED to->state = 3; to->status = OK;
  return OK;
}
int nvmlDeviceGetTopologyCommonAncestor(void *one, void *other, int *to) {
  ASKED *to = index_of(one) / 4 == index_of(other) / 4 ? 40 : 50;
  return OK;
}
int nvmlDeviceGetP2PStatus(void *one, void *other, int what, int *to) {
  ASKED *to = index_of(one) == 7 || index_of(other) == 7 ? 5 : 0;
  return OK;
}
int nvmlEventSetCreate(void **to) {
  ASKED *to = (void *)7;
  return number("DEAF") == 8 ? UNSUPPORTED : OK;
}
int nvmlDeviceGetSupportedEventTypes(void *gpu, unsigned long long *to) {
  ASKED *to = is("DEAF", gpu) ? 0 : 0x8;
  return OK;
}
int nvmlDeviceRegisterEvents(void *gpu, unsigned long long kinds, void *set) {
  ASKED return is("DEAF", gpu) || kinds != 0x8 || set != (void *)7 ? UNSUPPORTED : OK;
}
static int told;
int nvmlEventSetWait_v2(void *set, event *to, unsigned int milliseconds) {
  ASKED
  int times = number("XIDS") < 0 ? 1 : number("XIDS");
  if (number("XID") < 0 || told >= times) { usleep(milliseconds * 1000); return TIMEOUT; }
  told++;
  to->gpu = (void *)4; to->kind = 0x8; to->data = number("XID"); to->gi = to->ci = ~0U;
  return OK;
}
int nvmlEventSetFree(void *set) { return OK; }
