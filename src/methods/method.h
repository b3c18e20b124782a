/* method.h - what a method is: a name, what it wants computed for it, its default settings and a few functions.  It owns no state and opens
 * no file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_METHOD_H
#define GP_METHOD_H

#include "base/log.h"
#include "base/options.h"
#include "encoders/text.h"
#include "encoders/vision.h"
#include "grad/ops.h"
#include "image/views.h"
#include "losses/losses.h"
#include "optim/params.h"

enum {
    GP_WANT_STATS = 1,     /* mu, sigma of the image; a state `center.mu` that it declares gets their means over the training shots */
    GP_WANT_TEXT = 4,      /* runs the text tower for every image: a step is cut into micro-steps */
    GP_WANT_PIXELS = 8,    /* runs the image tower itself, with gradient: its views hold pixels and no features */
    GP_WANT_TEMPLATES = 16 /* classifies by hand-written prompts (METHODS 3.1): no context, class_feat is always given */
};

/* The loader's slot of a kind is kind - GP_VIEW_CROP. */
typedef enum gp_view_kind { GP_VIEW_NONE, GP_VIEW_CROP, GP_VIEW_MOCO, GP_VIEW_AUGMIX, GP_VIEW_SSL_A, GP_VIEW_SSL_B } gp_view_kind;
#define GP_MAX_VIEWS 3

/* Everything fixed for a run. */
typedef struct gp_setup {
    gp_model *model;
    const gp_options *opt;
    const gp_real *word_ctx; /* [M, Dt] embeddings of the initial words, NULL if the start is random */
    size_t M;                /* learnt rows of a prompt; 0 for GP_WANT_TEMPLATES */
    size_t K;                /* classes trained on */
    gp_ctx_pos pos;          /* where the learnt rows stand */
    bool csc;                /* contexts of their own for every class trained on: a label set takes its rows by name */
    bool open_set;           /* with csc: a label set may hold classes without a row (GP_NO_ROW) */
    bool case_file;          /* reading a parity case: options absent there mean the oracle's defaults */
} gp_setup;

/* One view of a batch after the frozen image tower; rows of feat are n(v).  For GP_WANT_PIXELS: before it. */
typedef struct gp_view {
    gp_real *feat;         /* [B, E] normalised; NULL if the view was not computed */
    gp_real *raw;          /* [B, E] as the tower gave it */
    gp_real *mu, *sigma;   /* [B, L, Dv] or NULL */
    const gp_real *pixels; /* [B, 3, image, image], only for GP_WANT_PIXELS */
} gp_view;

typedef struct gp_term {
    char name[24];
    double weight, value; /* value: summed over micro-steps, unweighted */
} gp_term;
#define GP_MAX_TERMS 8

/* Rows [rows, cols] of an intermediate value; micro-steps show theirs one after the other. */
typedef void gp_show(void *to, const char *name, const gp_real *v, size_t rows, size_t cols);

/* One evaluation of a method on a batch. */
typedef struct gp_step {
    const gp_setup *setup;
    gp_params *p;
    const gp_text_plan *plan; /* current label set */
    size_t K, B;
    const uint32_t *label;      /* [B], NULL at test */
    gp_view view[GP_MAX_VIEWS]; /* 0: the image itself */
    bool training;
    double logit_scale;
    const uint32_t *class_row; /* [K]: which context of the training belongs to a class, for setup->csc; NULL: in order */
    const gp_real *class_feat; /* [K, E] normalised text features of the label set, computed before (test, hand-written prompts); NULL:
                                  class_features is asked */
    const gp_log *log;         /* asked for cancellation before every micro-step; may be NULL */
    gp_show *show;             /* told intermediate values by name (parity cases, figures); NULL: nobody */
    void *show_to;
    /* results */
    gp_real *logits; /* [B, K], the caller's buffer; NULL if not wanted */
    gp_term term[GP_MAX_TERMS];
    size_t n_terms;
    double loss; /* sum of weight * value */
    /* diagnostics a method may fill: sum over images of what its log line reports */
    gp_real *ctx_shift;   /* [B, M, Dt] or NULL if the caller does not want it */
    gp_var text;          /* [K, E] what class_features or class_feat gave */
    size_t full_branches; /* set by shared: how many contexts of an image meet all classes; 0 counts as 1 (gp_step_micro) */
    void *shared;         /* a method's per-step variables, from the tape arena */
} gp_step;

/* The clean shots through the frozen image tower, in the order of the training list. */
typedef struct gp_shots {
    const gp_real *feat;   /* [n, E] normalised */
    const uint32_t *label; /* [n] */
    size_t n;
} gp_shots;

/* A setting that suits the method, where the user has not set the option: in base-to-new, and when training on all classes. */
typedef struct gp_method_default {
    const char *option, *base, *all;
} gp_method_default;

typedef struct gp_method {
    const char *name, *title; /* as an option's value; in tables ("CoOp") */
    unsigned wants;
    const char *training_only;         /* tensors whose names begin so are not kept with the learnt prompt; NULL: all are */
    bool keeps_words;                  /* ctx_init may have more tokens than M: the others stay fixed words of the prompt */
    const gp_method_default *defaults; /* up to one without option; NULL: those of the option table */
    /* Fills what of the setup follows from the method's options (pos, csc); may be NULL. */
    void (*prepare)(gp_setup *s);
    /* Which views the options need, in order; view[0] is always GP_VIEW_CROP in training.  There need not be a model yet. */
    void (*views)(const gp_setup *s, gp_view_kind kind[GP_MAX_VIEWS]);
    /* How its views are made, where that is not what the options of `views` and `gopro` say; may be NULL. */
    void (*view_config)(const gp_options *o, gp_view_config *v);
    /* Name, shape and start of each learnable tensor; checks its options (INVALID for contradictions). NULL: nothing to learn. */
    gopro_status (*declare)(gp_params *p, const gp_setup *s, gopro_error *err);
    /* Once before the first step: what the method keeps of the shots in its state (the cache of Tip-Adapter); may be NULL. */
    gopro_status (*fit)(gp_params *p, const gp_setup *s, const gp_shots *shots, gopro_error *err);
    /* Normalised text features [K, E] of the label set, for methods whose prompts do not depend on the image: recorded once per step in
     * training, computed once per label set at test; the result is s->text.  NULL: prompts per image. */
    gp_var (*class_features)(gp_tape *t, gp_step *s);
    /* Once per step, what the images have in common; may be NULL. */
    void (*shared)(gp_tape *t, gp_step *s);
    /* Images first .. first+n-1: fills their logits; in training adds the separable terms, already divided by s->B, via gp_step_term. */
    void (*images)(gp_tape *t, gp_step *s, size_t first, size_t n);
    /* Terms that couple the batch (L_Con, batch norm); may be NULL. */
    void (*batch)(gp_tape *t, gp_step *s);
    /* The image embedding a figure should show (n(P_v(v)) or v): [B, E] into out; NULL: the CLIP feature. */
    void (*embed)(gp_tape *t, gp_step *s, gp_real *out);
} gp_method;

extern const gp_method *const gp_methods[];
extern const size_t gp_n_methods;
const gp_method *gp_method_find(const char *name); /* NULL if unknown */

/* The setup of a method on a model: what the options and `prepare` say. */
gp_setup gp_setup_make(const gp_method *m, gp_model *model, const gp_options *o, size_t M, size_t K, const gp_real *word_ctx);

/* Sets the method's defaults where the user has set nothing. */
gopro_status gp_method_apply_defaults(const gp_method *m, gp_options *o, bool all_classes, gopro_error *err);

/* For methods: adds a loss term; seeds its gradient with `weight` if training. */
void gp_step_term(gp_tape *t, gp_step *s, const char *name, double weight, gp_var value);

/* For methods: shows an intermediate value to whoever watches the step. */
void gp_step_show(const gp_step *s, const char *name, gp_var x);

/* For methods: keeps the logits of images first .. where the caller wants them and, in training, adds L_ce as term "ce". */
void gp_step_logits(gp_tape *t, gp_step *s, size_t first, gp_var logits);

/* For methods with class_features: l_k = s <x_i, t^_k> of normalised image embeddings x [n, E] and what gp_step_logits does. */
void gp_step_classify(gp_tape *t, gp_step *s, size_t first, gp_var x);

/* Text features of the label set on its own, as at test time: out [K, E].  s: setup, p, plan, K and class_row are read. */
gopro_status gp_step_class_features(const gp_method *m, gp_tape *t, gp_step *s, gp_real *out, gopro_error *err);

/* Runs shared, images (in micro-steps bounded by rows, a fixed rule independent of threads) and batch, backward after each in training.
 * Gradients are added into s->p.  Fills logits, terms, loss.  NUMERIC error names term or tensor if something is not finite.
 * Whatever goes wrong, running statistics are then as they were. */
gopro_status gp_step_run(const gp_method *m, gp_tape *t, gp_step *s, gopro_error *err);

/* Images per micro-step: as many as keep the text tower's suffix rows at about 2048 and what it saves for the backward pass at about
 * 192 MiB, at least one; all if the method does not encode text per image. */
size_t gp_step_micro(const gp_method *m, const gp_step *s);

/* The image tower over all views of a batch at once: pixels[i] [B, 3, image, image] or NULL (the view is then all NULL).  Fills feat, raw
 * and, where stats[i], mu and sigma; memory from a. */
gopro_status gp_step_features(gp_model *m, gp_arena *a, gp_view out[GP_MAX_VIEWS], const float *const pixels[GP_MAX_VIEWS], size_t B,
                              const bool stats[GP_MAX_VIEWS], gopro_error *err);

/* What the method wants of the views: features (gp_step_features) or, for GP_WANT_PIXELS, the pixels. */
gopro_status gp_step_views(const gp_method *method, gp_model *m, gp_arena *a, gp_view out[GP_MAX_VIEWS],
                           const float *const pixels[GP_MAX_VIEWS], size_t B, const bool stats[GP_MAX_VIEWS], gopro_error *err);

/* Text features of hand-written prompts [K, E], normalised: the mean of the normalised features of n_plans templates (plans with M = 0),
 * normalised again (METHODS 3.1). */
gopro_status gp_class_features(gp_model *m, const gp_text_plan *const *plan, size_t n_plans, gp_real *out, gopro_error *err);

#endif
