/* A detector that is not what the ABI says, in the way that the macros below choose. */
#include <unstale_plugin.h>

#ifndef MAJOR
#define MAJOR UNSTALE_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR UNSTALE_ABI_MINOR
#endif
#ifndef SIZE
#define SIZE sizeof(unstale_detector)
#endif
#ifndef ENTRY
#define ENTRY unstale_detector_v1
#endif

#ifdef NO_INSPECT
#define INSPECT NULL
#else
__attribute__((unused)) static int32_t answer_zero(const unstale_process *process, const unstale_host *host)
{
    (void)process;
    (void)host;
    return 0;
}
#define INSPECT answer_zero
#endif

const unstale_detector *ENTRY(void);
__attribute__((visibility("default"))) const unstale_detector *ENTRY(void)
{
#ifdef NOTHING
    return NULL;
#elif defined(ODD)
    return (const unstale_detector *)(uintptr_t)0x1001;
#else
    static const unstale_detector detector = { SIZE, MAJOR, MINOR, INSPECT };
    return &detector;
#endif
}
