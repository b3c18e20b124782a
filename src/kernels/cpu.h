/* cpu.h - what the processor and the operating system allow.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_CPU_H
#define GP_CPU_H

typedef enum gp_cpu_level { GP_CPU_REF, GP_CPU_AVX2, GP_CPU_AVX512, GP_CPU_AVX512_BF16, GP_N_CPU } gp_cpu_level;

/* The names of the levels: "ref", "avx2", "avx512", "avx512_bf16" (the same with products of bf16 pairs). */
extern const char *const gp_cpu_names[GP_N_CPU];

/* The highest level that this machine can run and this library was built with. */
gp_cpu_level gp_cpu_detect(void);

/* min(what the machine can, wish); a NULL, empty or unknown wish does not lower it. */
gp_cpu_level gp_cpu_level_for(const char *wish);

#endif
