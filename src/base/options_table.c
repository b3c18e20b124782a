/* options_table.c - every option of the program, in the order of the configuration file; groups stand together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#define INT_OPT(n, d, lo, hi, h) \
    { \
        .name = n, .type = GP_OPT_INT, .value = d, .min = lo, .max = hi, .help = h \
    }
#define REAL_OPT(n, d, lo, hi, h) \
    { \
        .name = n, .type = GP_OPT_REAL, .value = d, .min = lo, .max = hi, .help = h \
    }
#define BOOL_OPT(n, d, h) \
    { \
        .name = n, .type = GP_OPT_BOOL, .value = d, .help = h \
    }
#define CHOICE_OPT(n, d, c, h) \
    { \
        .name = n, .type = GP_OPT_CHOICE, .value = d, .choices = c, .help = h \
    }
#define STRING_OPT(n, d, h) \
    { \
        .name = n, .type = GP_OPT_STRING, .value = d, .help = h \
    }

const gp_opt gp_opts[] = {
    CHOICE_OPT("method", "gopro", "zeroshot|slip|coop|cocoop|maple|stylip|gopro|gopro_release|linear_probe|tip_adapter",
               "what is trained and tested"),
    INT_OPT("seed", "1", 0, 9007199254740992.0, "names every random stream of a run"),
    INT_OPT("shots", "16", 1, 1e6, "training images per class; a class with fewer gives all it has"),
    INT_OPT("M", "4", 1, 64,
            "context tokens before the class name; as many as ctx_init has if that is set (MaPLe: or fewer, the other words stay)"),
    STRING_OPT("ctx_init", "a photo of a", "words the context starts from; empty: random"),
    STRING_OPT("template", "",
               "hand-written prompt with one {}, for zeroshot, slip, tip_adapter and linear_probe; empty: the dataset's own"),
    CHOICE_OPT("ensemble", "none", "none|7|80",
               "hand-written prompts averaged: one (template), the selected 7 with it (on ImageNet without), or the 80 of ImageNet"),
    CHOICE_OPT("precision", "f32", "f32|bf16", "weights of the frozen encoders in matrix products"),
    INT_OPT("threads", "0", 0, 1024, "threads that compute; 0: all processors"),
    {.name = "logit_scale",
     .type = GP_OPT_STRING,
     .value = "checkpoint",
     .min = 1e-3,
     .max = 1e4,
     .choices = "checkpoint|fit",
     .help = "factor of the logits: the checkpoint's, fitted to the training shots (zero-shot has none: the checkpoint's), or a number"},
    CHOICE_OPT("select", "last", "last|best_val|best_test",
               "which epoch is kept: the last, the best on validation images, or the best on TEST images (measures that leak, no result)"),

    CHOICE_OPT("model.activation", "checkpoint", "checkpoint|quickgelu|gelu", "of both towers; the checkpoint's own evidence, or chosen"),
    INT_OPT("model.v_heads", "0", 0, 4096, "attention heads of the image tower; 0: by the checkpoint"),
    INT_OPT("model.t_heads", "0", 0, 4096, "attention heads of the text tower; 0: by the checkpoint"),
    STRING_OPT("model.tokenizer", "", "vocabulary file or its folder; empty: beside the weights"),

    INT_OPT("loader.threads", "1", 0, 256, "threads that decode and augment images"),

    REAL_OPT("optim.lr", "0.002", 0, 10, "learning rate after warm-up"),
    REAL_OPT("optim.momentum", "0.9", 0, 0.9999, "momentum of SGD"),
    REAL_OPT("optim.weight_decay", "5e-4", 0, 1, "weight decay of SGD"),
    INT_OPT("optim.epochs", "50", 1, 1e6, "passes over the training shots"),
    INT_OPT("optim.batch", "4", 1, 65536, "images per step"),
    INT_OPT("optim.warmup_epochs", "1", 0, 1e6, "epochs at the warm-up rate"),
    REAL_OPT("optim.warmup_lr", "1e-5", 0, 10, "learning rate of the warm-up epochs"),

    REAL_OPT("views.scale_min", "0.08", 1e-4, 1,
             "smallest part of the image's area that a crop keeps, in every training view (MoCo's and SLIP's too)"),
    REAL_OPT("views.scale_max", "1", 1e-4, 1, "largest part of the image's area that a crop keeps, in every training view"),
    INT_OPT("views.fixed", "0", 0, 100000,
            "sets of views of every image that the epochs use in turn, the frozen image tower running once for each; 0: fresh views"),

    CHOICE_OPT("gopro.frg_norm", "rms", "rms|unit|none", "scale of the rescaled features: sqrt(width), 1 or as they come"),
    BOOL_OPT("gopro.frg_center", "1", "subtract the mean statistics of the training shots"),
    BOOL_OPT("gopro.decoder_bias", "0", "give the decoders of the meta-nets a bias"),
    CHOICE_OPT("gopro.frg", "linear", "linear|pool", "feature rescaling: learnt linear maps or pooling without parameters"),
    CHOICE_OPT("gopro.rho", "separate", "separate|shared", "one meta-net per view or one for all"),
    CHOICE_OPT("gopro.sem", "l2_label", "l2_label|mse_all",
               "semantic loss: L2 distance of the true class's text features, or mean square over all classes"),
    CHOICE_OPT("gopro.sem_detach", "none", "none|anchor", "anchor: no semantic gradient into the original view's branch"),
    CHOICE_OPT("gopro.pv", "residual", "residual|linear_bn|off", "visual projector"),
    REAL_OPT("gopro.alpha", "0.1", 0, 100, "weight of the visual projector's learnt part"),
    REAL_OPT("gopro.tau", "0.1", 1e-4, 100, "temperature of the contrastive loss"),
    REAL_OPT("gopro.lambda_ce", "1", 0, 1e6, "weight of the cross-entropy; 0: not computed"),
    REAL_OPT("gopro.lambda_sem1", "1", 0, 1e6, "weight of the semantic loss of the MoCo view; 0: not computed"),
    REAL_OPT("gopro.lambda_sem2", "1", 0, 1e6, "weight of the semantic loss of the AugMix view; 0: not computed"),
    REAL_OPT("gopro.lambda_con", "1", 0, 1e6, "weight of the contrastive loss; 0: not computed"),
    CHOICE_OPT("gopro.moco_recipe", "1", "1|2|random", "which MoCo v3 augmentation makes the second view"),
    CHOICE_OPT("gopro.augmix_base", "same_crop", "same_crop|own_crop", "AugMix of the clean view's crop or of a crop of its own"),
    INT_OPT("gopro.augmix_severity", "1", 1, 10, "strength of the AugMix operations"),

    BOOL_OPT("gopro_release.pv_in_ce", "0", "logits from the projected image feature; the released code's read the plain one"),
    BOOL_OPT("gopro_release.train_q", "1", "train the projector; 0: frozen, as in the first published version"),
    CHOICE_OPT("gopro_release.sem", "mse_all", "mse_all|l2_label",
               "semantic loss: mean square over all classes, or L2 distance of the true class's text features"),
    CHOICE_OPT("gopro_release.views", "wrapped", "wrapped|crop|image",
               "what views are cut from: the normalised crop's wrapped bytes, the crop, or the decoded image"),
    CHOICE_OPT("gopro_release.moco_norm", "imagenet", "imagenet|clip", "constants that normalise the MoCo view"),
    CHOICE_OPT("gopro_release.augmix_index", "first", "first|own",
               "AugMix views of the batch's first image, compared with all images, or of each image"),
    REAL_OPT("gopro_release.tau", "0.1", 1e-4, 100, "temperature of the contrastive loss"),
    REAL_OPT("gopro_release.lambda_ce", "1", 0, 1e6, "weight of the cross-entropy; 0: not computed"),
    REAL_OPT("gopro_release.lambda_sem1", "1", 0, 1e6, "weight of the semantic loss of the MoCo view; 0: not computed"),
    REAL_OPT("gopro_release.lambda_sem2", "1", 0, 1e6, "weight of the semantic loss of the AugMix view; 0: not computed"),
    REAL_OPT("gopro_release.lambda_con", "0.1", 0, 1e6, "weight of the contrastive loss; 0: not computed"),

    CHOICE_OPT("coop.position", "end", "end|middle|front", "where the class name stands among the context tokens"),
    BOOL_OPT("coop.csc", "0", "a context of its own for every class; such contexts cannot classify other classes"),

    INT_OPT("maple.depth", "9", 1, 128, "first blocks of both towers that have prompts of their own; at most as many as both have"),

    CHOICE_OPT("stylip.frg_norm", "rms", "rms|unit|none", "scale of the style and content features: sqrt(width), 1 or as they come"),
    BOOL_OPT("stylip.frg_center", "1", "subtract the mean statistics of the training shots"),
    BOOL_OPT("stylip.decoder_bias", "0", "give the decoders of the token nets a bias"),
    CHOICE_OPT("stylip.content", "feature", "feature|token", "the content features shift the text features or every context token"),
    REAL_OPT("stylip.alpha", "0.1", 0, 100, "weight of the content shift of the text features (content=feature)"),

    CHOICE_OPT("slip.clip_loss", "ce", "ce|infonce",
               "image-text loss: cross-entropy over the classes, or InfoNCE over the batch with the target spread over equal captions"),
    INT_OPT("slip.mlp_dim", "4096", 1, 65536, "width of the self-supervised head, which is discarded after training"),
    REAL_OPT("slip.alpha", "0.1", 0, 100, "weight of the visual projector's learnt part"),
    REAL_OPT("slip.tau", "0.1", 1e-4, 100, "temperature of the self-supervised loss"),

    CHOICE_OPT("probe.start", "zero", "zero|text", "linear probe: from nothing, or added to zero-shot logits"),

    REAL_OPT("tip.alpha", "1", 0, 1e4, "Tip-Adapter: weight of the cache"),
    REAL_OPT("tip.beta", "5.5", 0, 1e4, "Tip-Adapter: how sharply the affinity to a shot falls"),
    BOOL_OPT("tip.finetune", "0", "Tip-Adapter-F: learn the cache's keys"),

    BOOL_OPT("data.skip_bad", "0", "leave out images that do not decode instead of stopping"),
    INT_OPT("data.split_seed", "1", 0, 9007199254740992.0, "seed of the split made where a dataset has none"),
    STRING_OPT("data.root", "", "folder of the field's datasets, which are then opened by name; empty: none"),
    STRING_OPT("data.class_names", "",
               "file that names the classes: one a line, or \"class TAB name\"; empty: classes.txt beside the images"),
    STRING_OPT("data.draw", "", "few-shot draw taken from this file instead of shots and seed; empty: drawn"),
    BOOL_OPT("data.any_path", "0", "let lists and archives name absolute paths and '..'"),
    BOOL_OPT("data.scaled_decode", "0",
             "decode JPEGs at a half, quarter or eighth where that is still no smaller than needed: faster, pixels differ a little"),
    INT_OPT("data.cache_mib", "2048", 0, 16777216, "memory for decoded images, MiB"),

    INT_OPT("checkpoint.every", "10", 0, 1e6, "epochs between checkpoints; 0: only when interrupted"),

    INT_OPT("test.batch", "100", 1, 65536, "images per step when testing"),
    INT_OPT("test.cache_mib", "8192", 0, 16777216, "largest folder of image features (--cache), MiB; those unused longest go first"),

    INT_OPT("pretrain.image", "64", 8, 4096, "image side, pixels"),
    INT_OPT("pretrain.patch", "16", 1, 512, "patch side, pixels; divides the image side"),
    INT_OPT("pretrain.v_width", "128", 1, 8192, "width of the image tower; a multiple of its heads"),
    INT_OPT("pretrain.v_layers", "6", 1, 128, "blocks of the image tower"),
    INT_OPT("pretrain.v_heads", "4", 1, 256, "attention heads of the image tower"),
    INT_OPT("pretrain.t_width", "128", 1, 8192, "width of the text tower; a multiple of its heads"),
    INT_OPT("pretrain.t_layers", "3", 1, 128, "blocks of the text tower"),
    INT_OPT("pretrain.t_heads", "4", 1, 256, "attention heads of the text tower"),
    INT_OPT("pretrain.context", "32", 4, 1024, "longest text, tokens with start and end"),
    INT_OPT("pretrain.embed", "128", 1, 8192, "width of the joint space"),
    INT_OPT("pretrain.vocab", "4096", 515, 1048576, "size of the vocabulary learnt from the captions, tokens"),
    INT_OPT("pretrain.steps", "8000", 1, 1e9, "optimiser steps"),
    INT_OPT("pretrain.batch", "512", 2, 65536, "image-text pairs per step"),
    REAL_OPT("pretrain.lr", "1.5e-3", 0, 1, "highest learning rate"),
    INT_OPT("pretrain.warmup", "200", 0, 1e9, "steps of linear warm-up"),
    REAL_OPT("pretrain.weight_decay", "0.1", 0, 10, "weight decay of AdamW"),
    REAL_OPT("pretrain.beta1", "0.9", 0, 0.99999, "first moment's decay of AdamW"),
    REAL_OPT("pretrain.beta2", "0.98", 0, 0.99999, "second moment's decay of AdamW"),
    REAL_OPT("pretrain.clip", "1.0", 0, 1e6, "largest gradient norm; 0: no clipping"),
    REAL_OPT("pretrain.ema", "0.998", 0, 0.999999, "decay of the averaged weights; 0: none"),
    REAL_OPT("pretrain.label_smoothing", "0.1", 0, 0.9, "share of the contrastive target spread over the batch"),
    REAL_OPT("pretrain.crop_min", "0.2", 0.01, 1, "smallest area of a training crop, share of the image"),
    REAL_OPT("pretrain.line_weight", "0.3", 0, 1, "how often drawings in line style are shown, against 1 for the others"),
    CHOICE_OPT("pretrain.objective", "clip", "clip|slip", "slip: CLIP's loss and SimCLR's on two further views of every image"),
    REAL_OPT("pretrain.ssl_scale", "1", 0, 1e6, "slip: weight of SimCLR's loss"),
    REAL_OPT("pretrain.ssl_tau", "0.1", 1e-4, 100, "slip: temperature of SimCLR's loss"),
    INT_OPT("pretrain.ssl_mlp_dim", "512", 1, 65536,
            "slip: hidden width of the head that the views pass; SLIP has 4096 on widths of 384 to 1024, the default suits small towers"),
    REAL_OPT("pretrain.ssl_crop_min", "0.08", 0.01, 1, "slip: smallest area of a view's crop, share of the image"),
    INT_OPT("pretrain.val_every", "500", 1, 1e9, "steps between validations"),
};
const size_t gp_n_opts = GP_COUNT(gp_opts);
