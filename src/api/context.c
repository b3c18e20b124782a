/* context.c - callbacks of the public interface, seen from inside.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/api.h"

static void write_log(void *user, gp_log_level level, const char *text)
{
    const gopro_context *c = user;
    if (c->log) c->log(c->log_user, (gopro_log_level)level, text);
}

static bool cancelled(void *user)
{
    const gopro_context *c = user;
    return c->cancel && c->cancel(c->cancel_user) != 0;
}

static void progress(void *user, const gp_progress *p)
{
    const gopro_context *c = user;
    if (!c->progress) return;
    gopro_progress q = {.what = p->what, .run = p->run, .done = p->done, .total = p->total, .epoch = p->epoch, .epochs = p->epochs};
    q.has_loss = p->has_loss;
    q.loss = p->loss;
    q.accuracy = p->accuracy;
    q.learning_rate = p->lr;
    q.images_per_second = p->images_per_s;
    q.eta_seconds = p->eta_s;
    q.peak_rss_mib = p->rss_mib;
    c->progress(c->progress_user, &q);
}

gopro_status gopro_context_create(gopro_context **context, gopro_error *err)
{
    if (!context) return gp_fail(err, GOPRO_E_INVALID, "context is NULL");
    gopro_context *c = calloc(1, sizeof *c);
    *context = c;
    if (!c) return gp_fail_nomem(err, sizeof *c, "a context");
    c->watch = (gp_watch){.log = {.write = write_log, .cancelled = cancelled, .user = c}, .progress = progress, .user = c};
    return GOPRO_OK;
}

void gopro_context_free(gopro_context **context)
{
    if (!context) return;
    free(*context);
    *context = NULL;
}

void gopro_context_set_log(gopro_context *context, gopro_log_fn *fn, void *user)
{
    context->log = fn;
    context->log_user = user;
}

void gopro_context_set_progress(gopro_context *context, gopro_progress_fn *fn, void *user)
{
    context->progress = fn;
    context->progress_user = user;
}

void gopro_context_set_cancel(gopro_context *context, gopro_cancel_fn *fn, void *user)
{
    context->cancel = fn;
    context->cancel_user = user;
}
