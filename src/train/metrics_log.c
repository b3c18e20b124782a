/* metrics_log.c - see metrics_log.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/metrics_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "features/progress.h"

gopro_status gp_metrics_log_cut(const char *path, size_t epochs, gopro_error *err)
{
    char *text = NULL;
    size_t size = 0, keep = 0;
    if (gp_path_exists(path)) GP_TRY(gp_read_file(&text, &size, path, (size_t)1 << 30, err));
    for (size_t i = 0; i < epochs; i++) {
        const char *nl = text ? memchr(text + keep, '\n', size - keep) : NULL;
        if (!nl) break;
        keep = (size_t)(nl - text) + 1;
    }
    gopro_status st = gp_write_file(path, text ? text : "", keep, err);
    free(text);
    return st;
}

gopro_status gp_metrics_log_add(const char *path, const gp_train_state *s, double lr, double drift, gopro_error *err)
{
    const gp_epoch_sums *e = &s->sums;
    double n = e->steps > 0.0 ? e->steps : 1.0, images = e->images > 0.0 ? e->images : 1.0;
    gp_str b = {0};
    gp_str_addf(&b, "{\"epoch\":%zu,\"loss\":%.9g,\"terms\":{", s->epoch + 1, e->loss / n);
    for (size_t i = 0; i < s->n_terms; i++) gp_str_addf(&b, "%s\"%s\":%.9g", i ? "," : "", s->term_name[i], e->term[i] / n);
    gp_str_addf(
        &b, "},\"accuracy\":%.6g,\"lr\":%.9g,\"shift_spread\":%.6g,\"context_drift\":%.6g,\"images_per_s\":%.4g,\"loader_wait\":%.3g,",
        e->correct / images * 100.0, lr, gp_epoch_sums_spread(e), drift, s->seconds > 0.0 ? e->images / s->seconds : 0.0, s->waited);
    if (s->best.epoch > 0) gp_str_addf(&b, "\"selection_accuracy\":%.6g,\"selected_epoch\":%zu,", s->best.latest, s->best.epoch);
    gp_str_addf(&b, "\"peak_rss_mib\":%zu}\n", gp_peak_rss_mib());
    gopro_status st = GOPRO_OK;
    FILE *f = b.failed ? NULL : fopen(path, "ae");
    if (b.failed)
        st = gp_fail_nomem(err, 0, "a line of metrics");
    else if (!f)
        st = gp_fail_errno(err, "open", path);
    else {
        bool ok = fwrite(b.s, 1, b.len, f) == b.len;
        ok = fclose(f) == 0 && ok;
        if (!ok) st = gp_fail_errno(err, "write", path);
    }
    gp_str_free(&b);
    return st;
}
