/* schedule.c - learning-rate schedules (METHODS 5.2, 5.4).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "optim/adamw.h"
#include "optim/params.h"

static const double pi = 3.14159265358979323846;

/* The cosine's clock starts after the warm-up but its period is the whole training, so 0 is never reached. */
double gp_lr_cosine_warmup(double lr0, size_t epoch, size_t n_epochs, double warmup_lr, size_t warmup_epochs)
{
    if (epoch < warmup_epochs) return warmup_lr;
    return lr0 * (1 + cos(pi * (double)(epoch - warmup_epochs) / (double)n_epochs)) / 2;
}

double gp_lr_pretrain(double lr0, double lr_start, double lr_end, size_t i, size_t n_warm, size_t n_total)
{
    if (i < n_warm) return n_warm > 1 ? lr_start + (lr0 - lr_start) * (double)i / (double)(n_warm - 1) : lr0;
    return lr_end + (lr0 - lr_end) * (1 + cos(pi * (double)(i - n_warm) / (double)(n_total - n_warm))) / 2;
}
