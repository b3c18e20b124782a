/* metrics_log.h - metrics.jsonl: one line per epoch; a resumed run drops the lines of epochs it will do again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_METRICS_LOG_H
#define GP_METRICS_LOG_H

#include "train/state.h"

/* Keeps the first `epochs` lines of the file (creates it if absent). */
gopro_status gp_metrics_log_cut(const char *path, size_t epochs, gopro_error *err);
gopro_status gp_metrics_log_add(const char *path, const gp_train_state *s, double lr, double drift, gopro_error *err);

#endif
