/* loop.c - the training loop: batches of views through the frozen image tower, one step of the method, one step of SGD.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/fixed_views.h"
#include "train/metrics_log.h"
#include "train/train.h"

/* Spread of the prompt over images below which the prompt does not depend on the image (METHODS 3.7). */
#define GP_MIN_SPREAD 0.05

typedef struct loop {
    const gp_train_job *j;
    gp_learner *l;
    gp_train_state *s;
    gp_classes classes;
    gp_image_store *store;
    gp_loader *loader;
    gp_fixed_views *fixed; /* NULL: the image tower runs in every step */
    gp_item *item;         /* the shots that can be read */
    size_t n, iters, epochs, batch;
    gp_view_kind kind[GP_MAX_VIEWS];
    char *metrics, *checkpoint;
    double t0; /* of this process, for the rate */
    size_t images_since_t0, steps_since_t0;
    double epoch_t0;
    double waited_s; /* of this epoch: for the loader */
    bool told_slow;
    double tower_s; /* of the last step: what the frozen image tower took */
} loop;

static void loop_free(loop *p)
{
    gp_loader_free(&p->loader);
    gp_fixed_views_free(&p->fixed);
    gp_image_store_free(&p->store);
    gp_classes_close(&p->classes);
    free(p->item);
    free(p->metrics);
    free(p->checkpoint);
}

static const gp_log *log_of(const loop *p)
{
    return p->j->watch ? &p->j->watch->log : NULL;
}

/* Reads the shots; drops those whose image cannot be read, if the rules allow it. */
static gopro_status readable_shots(loop *p, gopro_error *err)
{
    const gp_labelset *ls = p->j->labels;
    const gp_options *o = p->l->opt;
    size_t bytes = (size_t)gp_opt_int(o, "data.cache_mib") << 20;
    p->n = ls->n_train;
    p->item = malloc((p->n ? p->n : 1) * sizeof *p->item);
    if (!p->item) return gp_fail_nomem(err, p->n * sizeof *p->item, "the shots");
    if (p->n) memcpy(p->item, ls->train, p->n * sizeof *p->item);
    gp_view_config view;
    gp_backbone_views(&view, p->l->bb, o);
    gopro_status st = gp_image_store_create_with(&p->store, p->j->data->root, p->item, p->n, bytes, gp_view_train_least(&view),
                                                 gp_opt_bool(o, "data.skip_bad"), gp_pool_size(p->l->bb->compute->pool), log_of(p), err);
    if (st == GOPRO_E_DATA) gp_fail_in(err, st, "training images ('gopro data check' names every one that cannot be read)");
    GP_TRY(st);
    p->n = gp_image_store_drop_bad(p->store, p->item, p->n);
    p->s->left_out = ls->n_train - p->n;
    if (p->n < ls->n_train)
        gp_logf(log_of(p), GP_LOG_WARN, "%zu of %zu training images cannot be read and are left out", ls->n_train - p->n, ls->n_train);
    return p->n > 0 ? GOPRO_OK : gp_fail(err, GOPRO_E_DATA, "none of the training images of '%s' can be read", p->j->data->root);
}

static gopro_status open_loader(loop *p, gopro_error *err)
{
    const gp_options *o = p->l->opt;
    gp_loader_config lc = {.batch = p->batch, .ahead = 3, .fixed = gp_fixed_views_sets(p->l)};
    lc.first_epoch = p->s->epoch;
    lc.epochs = p->epochs;
    lc.seed = (uint64_t)gp_opt_int(o, "seed");
    lc.threads = gp_max_size(1, (size_t)gp_opt_int(o, "loader.threads"));
    gp_backbone_views(&lc.view, p->l->bb, o);
    if (lc.fixed && gp_fixed_views_possible(p->l))
        GP_TRY(gp_fixed_views_create(&p->fixed, p->l, &lc.view, p->store, p->n, p->j->watch, err));
    for (size_t v = 0; v < GP_MAX_VIEWS && !p->fixed; v++) {
        if (p->kind[v] != GP_VIEW_NONE) lc.want[p->kind[v] - GP_VIEW_CROP] = true;
    }
    return gp_loader_create(&p->loader, p->store, p->item, p->n, &lc, err);
}

static gopro_status loop_open(loop *p, const gp_train_job *j, gp_train_state *s, gopro_error *err)
{
    gp_learner *l = j->learner;
    p->j = j;
    p->l = l;
    p->s = s;
    p->epochs = gp_learner_epochs(l);
    p->kind[0] = GP_VIEW_CROP;
    if (l->method->views) l->method->views(&l->setup, p->kind);
    size_t shift = l->method->wants & GP_WANT_TEXT ? l->setup.M * gp_model_arch(l->bb->model)->t.width : 0;
    GP_TRY(gp_train_state_init(s, shift, err));
    GP_TRY(gp_classes_open(&p->classes, l, j->labels->class_name, j->labels->K, gp_dataset_template(j->data), true, err));
    GP_TRY(readable_shots(p, err));
    p->batch = gp_min_size((size_t)gp_opt_int(l->opt, "optim.batch"), p->n);
    p->iters = gp_loader_iters(p->n, p->batch);
    if (!j->dir) return GOPRO_OK;
    p->metrics = gp_rundir_file(j->dir, "metrics.jsonl");
    p->checkpoint = gp_rundir_file(j->dir, "checkpoint.safetensors");
    return p->metrics && p->checkpoint ? GOPRO_OK : gp_fail_nomem(err, 0, "file names");
}

/* From the checkpoint if there is one, else from the start. */
static gopro_status loop_begin(loop *p, gopro_error *err)
{
    const gp_watch *w = p->j->watch;
    if (p->checkpoint && gp_path_exists(p->checkpoint)) {
        GP_TRY(gp_checkpoint_read(p->checkpoint, p->l, p->s, p->j->dir->identity, err));
        if (p->s->epoch > p->epochs || p->s->iter > p->iters)
            return gp_fail(err, GOPRO_E_FORMAT, "%s: stands at epoch %zu, step %zu of a run of %zu epochs of %zu steps", p->checkpoint,
                           p->s->epoch, p->s->iter, p->epochs, p->iters);
        if (w) gp_logf(&w->log, GP_LOG_INFO, "resumed at epoch %zu of %zu, step %zu", p->s->epoch + 1, p->epochs, p->s->iter);
    } else {
        GP_TRY(gp_train_fit(p->l, p->j->data->root, p->item, p->n, err));
        GP_TRY(gp_train_center(p->l, p->j->data->root, p->item, p->n, err));
        GP_TRY(gp_train_calibrate(p->s, p->j, p->store, p->item, p->n, err));
    }
    return p->metrics ? gp_metrics_log_cut(p->metrics, p->s->epoch, err) : GOPRO_OK;
}

/* Not if the weights are no longer those that the steps before were made with. */
static gopro_status save_checkpoint(const loop *p, gopro_error *err)
{
    GP_TRY(gp_clip_check(p->l->bb->weights, err));
    return p->checkpoint ? gp_checkpoint_write(p->checkpoint, p->l, p->s, p->j->dir->identity, err) : GOPRO_OK;
}

static void add_step(loop *p, const gp_step *st)
{
    gp_train_state *s = p->s;
    gp_epoch_sums *e = &s->sums;
    s->n_terms = st->n_terms;
    for (size_t i = 0; i < st->n_terms; i++) {
        memcpy(s->term_name[i], st->term[i].name, sizeof s->term_name[i]);
        s->term_weight[i] = st->term[i].weight;
        e->term[i] += st->term[i].value;
    }
    e->steps += 1.0;
    e->images += (double)st->B;
    e->loss += st->loss;
    for (size_t b = 0; b < st->B; b++) {
        size_t best = 0;
        for (size_t k = 1; k < st->K; k++)
            if (st->logits[b * st->K + k] > st->logits[b * st->K + best]) best = k;
        e->correct += best == st->label[b] ? 1.0 : 0.0;
    }
    if (st->ctx_shift) gp_epoch_sums_shift(e, st->ctx_shift, st->B);
}

/* The batch's views after the frozen tower: computed, or kept from before. */
static gopro_status views(loop *p, const gp_batch *b, gp_view view[GP_MAX_VIEWS], gopro_error *err)
{
    const gp_learner *l = p->l;
    gp_arena *a = gp_tape_arena(l->tape);
    const float *pixels[GP_MAX_VIEWS] = {NULL};
    bool stats[GP_MAX_VIEWS] = {false};
    if (p->fixed) return gp_fixed_views_get(p->fixed, view, a, b->sample, b->B, b->epoch, err);
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        if (p->kind[v] == GP_VIEW_NONE) continue;
        pixels[v] = b->view[p->kind[v] - GP_VIEW_CROP];
        stats[v] = (l->method->wants & GP_WANT_STATS) != 0;
    }
    const double t0 = gp_seconds();
    const gopro_status st = gp_step_views(l->method, l->bb->model, a, view, pixels, b->B, stats, err);
    p->tower_s = gp_seconds() - t0;
    return st;
}

static gopro_status step(loop *p, const gp_batch *b, double lr, gopro_error *err)
{
    gp_learner *l = p->l;
    gp_tape_mark mark = gp_tape_mark_get(l->tape);
    gp_step s = gp_learner_step(l, &p->classes, b->B);
    s.label = b->label;
    s.training = true;
    size_t dims = p->s->sums.n_shift_dims;
    s.ctx_shift = dims ? gp_arena_alloc(gp_tape_arena(l->tape), b->B * dims, sizeof *s.ctx_shift) : NULL;
    s.logits = gp_arena_alloc(gp_tape_arena(l->tape), b->B * s.K, sizeof *s.logits);
    s.log = log_of(p);
    gp_params_zero_grad(l->p);
    gopro_status st = gp_arena_failed(gp_tape_arena(l->tape)) ? gp_fail_nomem(err, b->B * dims * sizeof(gp_real), "a step") : GOPRO_OK;
    if (st == GOPRO_OK) st = views(p, b, s.view, err);
    if (st == GOPRO_OK) st = gp_step_run(l->method, l->tape, &s, err);
    if (st == GOPRO_OK) {
        gp_sgd o = {.momentum = gp_opt_real(l->opt, "optim.momentum"), .weight_decay = gp_opt_real(l->opt, "optim.weight_decay")};
        gp_sgd_step(l->p, &o, lr);
        add_step(p, &s);
    }
    gp_tape_pop(l->tape, mark);
    return st;
}

/* How long it will take and how much memory, once that can be known. */
#define GP_ESTIMATE_STEPS 3

static void estimate(const loop *p)
{
    size_t left = p->epochs * p->iters - (p->s->epoch * p->iters + p->s->iter);
    long seconds = (long)((gp_seconds() - p->t0) / (double)p->steps_since_t0 * (double)left);
    gp_logf(log_of(p), GP_LOG_INFO, "%zu steps of %zu images to do, about %ld min %02ld s; memory %zu MiB", left, p->batch, seconds / 60,
            seconds % 60, gp_peak_rss_mib());
}

static void tell(loop *p, double lr)
{
    const gp_epoch_sums *e = &p->s->sums;
    gp_progress pr = {.what = "train", .done = p->s->epoch * p->iters + p->s->iter, .total = p->epochs * p->iters};
    pr.epoch = p->s->epoch + 1;
    pr.epochs = p->epochs;
    pr.has_loss = e->steps > 0.0;
    pr.loss = e->steps > 0.0 ? e->loss / e->steps : 0.0;
    pr.accuracy = e->images > 0.0 ? 100.0 * e->correct / e->images : 0.0;
    pr.lr = lr;
    gp_watch_tell(p->j->watch, &pr, p->t0, p->images_since_t0, p->steps_since_t0);
}

/* Steps that wait this long are worth a word. */
#define SLOW_LOADER  0.25
#define SLOW_SECONDS 5.0

static void slow_loader(loop *p)
{
    p->told_slow = true;
    gp_logf(log_of(p), GP_LOG_WARN,
            "steps waited %.0f %% of the epoch for images; loader.threads=%zu, or a larger data.cache_mib, would make it shorter",
            100.0 * p->s->waited, gp_max_size(1, (size_t)gp_opt_int(p->l->opt, "loader.threads")) * 2);
}

/* The steps of the epoch are done: scores it, if epochs are chosen by a score, and closes it.  CANCELLED leaves it open. */
static gopro_status end_epoch(loop *p, double lr, gopro_error *err)
{
    gp_train_state *s = p->s;
    if (p->j->select) {
        double accuracy = 0.0;
        GP_TRY(p->j->select->score(p->j->select->of, &accuracy, err));
        GP_TRY(gp_best_offer(s, p->l->p, accuracy, err));
    }
    s->seconds = gp_seconds() - p->epoch_t0;
    s->waited = s->seconds > 0.0 ? p->waited_s / s->seconds : 0.0;
    if (s->waited > SLOW_LOADER && s->seconds > SLOW_SECONDS && !p->told_slow) slow_loader(p);
    s->final_loss = s->sums.loss / fmax(s->sums.steps, 1.0);
    s->final_accuracy = 100.0 * s->sums.correct / fmax(s->sums.images, 1.0);
    s->spread = gp_epoch_sums_spread(&s->sums);
    if (p->metrics) GP_TRY(gp_metrics_log_add(p->metrics, s, lr, gp_learner_drift(p->l), err));
    gp_epoch_sums_clear(&s->sums);
    s->epoch++;
    s->iter = 0;
    size_t every = (size_t)gp_opt_int(p->l->opt, "checkpoint.every");
    if (s->epoch == p->epochs || (every > 0 && s->epoch % every == 0)) GP_TRY(save_checkpoint(p, err));
    p->epoch_t0 = gp_seconds();
    p->waited_s = 0.0;
    return GOPRO_OK;
}

static gopro_status interrupted(const loop *p, gopro_error *err)
{
    GP_TRY(save_checkpoint(p, err));
    return gp_fail(err, GOPRO_E_CANCELLED, "interrupted at epoch %zu, step %zu; the same command goes on from there", p->s->epoch + 1,
                   p->s->iter);
}

static double epoch_lr(const loop *p, size_t epoch)
{
    const gp_options *o = p->l->opt;
    return gp_lr_cosine_warmup(gp_opt_real(o, "optim.lr"), epoch, p->epochs, gp_opt_real(o, "optim.warmup_lr"),
                               (size_t)gp_opt_int(o, "optim.warmup_epochs"));
}

static gopro_status run_epochs(loop *p, gopro_error *err)
{
    const gp_watch *w = p->j->watch;
    size_t skip = p->s->iter; /* batches of the resumed epoch that were done before */
    p->t0 = p->epoch_t0 = gp_seconds();
    while (p->s->epoch < p->epochs) {
        double lr = epoch_lr(p, p->s->epoch);
        gp_batch *b = NULL;
        if (p->s->iter == p->iters) {
            gopro_status st = end_epoch(p, lr, err);
            if (st == GOPRO_E_CANCELLED) return interrupted(p, err);
            if (st != GOPRO_OK) return st;
            continue;
        }
        if (w && gp_cancelled(&w->log)) return interrupted(p, err);
        const double asked = gp_seconds();
        GP_TRY(gp_loader_next(p->loader, &b, err));
        p->waited_s += gp_seconds() - asked;
        if (!b) return gp_fail(err, GOPRO_E_DATA, "the loader ended before the last epoch");
        if (skip > 0) {
            skip--;
            gp_loader_release(p->loader, b);
            continue;
        }
        gopro_status st = step(p, b, lr, err);
        p->images_since_t0 += b->B;
        p->steps_since_t0++;
        gp_loader_release(p->loader, b);
        if (st == GOPRO_E_CANCELLED) return interrupted(p, err); /* the step was not taken */
        if (st != GOPRO_OK) return gp_fail_in(err, st, "epoch %zu, step %zu", p->s->epoch + 1, p->s->iter + 1);
        p->s->iter++;
        tell(p, lr);
        if (p->steps_since_t0 == GP_ESTIMATE_STEPS) estimate(p);
    }
    return GOPRO_OK;
}

gopro_status gp_train(const gp_train_job *j, gp_train_state *s, gopro_error *err)
{
    loop p = {0};
    memset(s, 0, sizeof *s);
    gopro_status st;
    GP_CHECK(loop_open(&p, j, s, err));
    GP_CHECK(loop_begin(&p, err));
    if (s->epoch < p.epochs) GP_CHECK(open_loader(&p, err));
    GP_CHECK(run_epochs(&p, err));
    if (j->select) gp_best_restore(s, j->learner->p);
    if ((j->learner->method->wants & GP_WANT_STATS) && s->spread < GP_MIN_SPREAD)
        gp_logf(log_of(&p), GP_LOG_WARN,
                "the prompt hardly depends on the image: its spread over images is %.2f %% of its length, so it is nearly the same for all",
                100.0 * s->spread);
out:
    loop_free(&p);
    return st;
}

gopro_status gp_train_probe(double *seconds, double *tower_s, gp_learner *l, const char *const *class_name, size_t K, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    size_t B = (size_t)gp_opt_int(l->opt, "optim.batch"), px = 3 * a->image * a->image;
    gp_labelset ls = {.K = K};
    gp_train_job job = {.learner = l, .labels = &ls};
    gp_train_state s = {0};
    loop p = {.j = &job, .l = l, .s = &s, .kind = {GP_VIEW_CROP}};
    gp_batch b = {.B = B};
    gopro_status st;
    if (l->method->views) l->method->views(&l->setup, p.kind);
    bool ok = (b.label = calloc(B, sizeof *b.label)) != NULL;
    for (size_t v = 0; v < GP_LOADER_VIEWS; v++) ok = ok && (b.view[v] = calloc(B * px, sizeof(float)));
    if (!ok) {
        st = gp_fail_nomem(err, GP_LOADER_VIEWS * B * px * sizeof(float), "a batch");
        goto out;
    }
    for (size_t v = 0; v < GP_LOADER_VIEWS; v++) /* anything but constant images */
        for (size_t i = 0; i < B * px; i++) b.view[v][i] = (float)((i * 2654435761U + v * 40503U) % 1024) / 512.0F - 1.0F;
    GP_CHECK(gp_train_state_init(&s, 0, err));
    GP_CHECK(gp_classes_open(&p.classes, l, class_name, K, (gp_own_template){.text = "a photo of a {}."}, true, err));
    GP_CHECK(step(&p, &b, 0.0, err)); /* the first one packs and allocates */
    double t0 = gp_seconds();
    GP_CHECK(step(&p, &b, 0.0, err));
    *seconds = gp_seconds() - t0;
    *tower_s = p.tower_s;
out:
    for (size_t v = 0; v < GP_LOADER_VIEWS; v++) free(b.view[v]);
    free(b.label);
    gp_train_state_free(&s);
    loop_free(&p);
    return st;
}
