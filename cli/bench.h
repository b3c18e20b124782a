/* bench.h - what the benchmarks of the command line share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <jansson.h>

#include "base/log.h"
#include "base/options.h"
#include "cli.h"

/* false: the flag is there and no whole number from 1 to max. */
bool bench_count(const cli *c, const char *flag, size_t *v, size_t max);
/* What was set; the method's own defaults take the place of the others. */
gopro_status bench_options(gp_options **o, const gopro_config *config, gopro_error *err);
void bench_log(void *user, gp_log_level level, const char *text); /* user: cli */
void bench_print_json(json_t *j);                                 /* takes it over */

int bench_load(cli *c);
int bench_augment(cli *c);
int bench_kernels(cli *c);

#endif
