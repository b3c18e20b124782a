/* cpu.c - detection of the instruction sets that kernels/fast is built for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu.h"

#include <stddef.h>
#include <string.h>

const char *const gp_cpu_names[GP_N_CPU] = {"ref", "avx2", "avx512", "avx512_bf16"};

gp_cpu_level gp_cpu_detect(void)
{
#if defined(GP_HAVE_FAST) && !defined(GP_REAL_IS_DOUBLE)
    /* These also ask the operating system whether it saves the wide registers. */
    __builtin_cpu_init();
    /* Every processor with AVX2 has F16C. */
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512vl");
    if (avx2 && avx512 && __builtin_cpu_supports("avx512bf16")) return GP_CPU_AVX512_BF16;
    if (avx2 && avx512) return GP_CPU_AVX512;
    if (avx2) return GP_CPU_AVX2;
#endif
    return GP_CPU_REF;
}

gp_cpu_level gp_cpu_level_for(const char *wish)
{
    const gp_cpu_level have = gp_cpu_detect();
    for (int i = 0; wish && i < (int)have; i++)
        if (strcmp(wish, gp_cpu_names[i]) == 0) return (gp_cpu_level)i;
    return have;
}
