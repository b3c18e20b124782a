/* layout.c - names of OpenAI's, open_clip's and SLIP's checkpoints to those of Hugging Face's CLIPModel and back (METHODS 1.7).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/tensors.h"

typedef enum change { AS_IS, TRANSPOSED, MERGED_W, MERGED_B, PADDED /* leading dimensions of 1 */ } change;

typedef struct row {
    const char *hf, *openai, *slip; /* a name that ends in '.' stands for its weight and its bias; NULL: the layout has none */
    change change;
} row;

/* Outside the blocks; SLIP's text tower is OpenAI's. */
static const row outer[] = {
    {"vision_model.embeddings.patch_embedding.", "visual.conv1.", "visual.patch_embed.proj.", AS_IS},
    {"vision_model.embeddings.class_embedding", "visual.class_embedding", "visual.cls_token", PADDED},
    {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding", "visual.pos_embed", PADDED},
    {"vision_model.pre_layrnorm.", "visual.ln_pre.", NULL, AS_IS},
    {"vision_model.post_layernorm.", "visual.ln_post.", "visual.norm.", AS_IS},
    {"visual_projection.weight", "visual.proj", "image_projection", TRANSPOSED},
    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight", "token_embedding.weight", AS_IS},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding", "positional_embedding", AS_IS},
    {"text_model.final_layer_norm.", "ln_final.", "ln_final.", AS_IS},
    {"text_projection.weight", "text_projection", "text_projection", TRANSPOSED},
    {"text_projection.weight", "text_projection.weight", NULL, AS_IS}, /* open_clip's custom text tower: a linear layer */
    {"logit_scale", "logit_scale", "logit_scale", AS_IS},
};

/* Inside a block. */
static const row inner[] = {
    {"layer_norm1.", "ln_1.", "norm1.", AS_IS},
    {"self_attn.q_proj.weight", "attn.in_proj_weight", "attn.qkv.weight", MERGED_W},
    {"self_attn.q_proj.bias", "attn.in_proj_bias", "attn.qkv.bias", MERGED_B},
    {"self_attn.q_proj.weight", "attn.q_proj_weight", NULL, AS_IS}, /* PyTorch's attention with separate matrices */
    {"self_attn.k_proj.weight", "attn.k_proj_weight", NULL, AS_IS},
    {"self_attn.v_proj.weight", "attn.v_proj_weight", NULL, AS_IS},
    {"self_attn.q_proj.", "attn.q_proj.", "attn.q_proj.", AS_IS},
    {"self_attn.k_proj.", "attn.k_proj.", "attn.k_proj.", AS_IS},
    {"self_attn.v_proj.", "attn.v_proj.", "attn.v_proj.", AS_IS},
    {"self_attn.out_proj.", "attn.out_proj.", "attn.proj.", AS_IS},
    {"layer_norm2.", "ln_2.", "norm2.", AS_IS},
    {"mlp.fc1.", "mlp.c_fc.", "mlp.fc1.", AS_IS},
    {"mlp.fc2.", "mlp.c_proj.", "mlp.fc2.", AS_IS},
};

static const struct {
    const char *hf, *openai, *slip;
} stack[] = {{"vision_model.encoder.layers.", "visual.transformer.resblocks.", "visual.blocks."},
             {"text_model.encoder.layers.", "transformer.resblocks.", "transformer.resblocks."}};

/* ---- which layout ---- */

static bool has(const gp_tensors *t, const char *prefix)
{
    for (size_t i = 0; i < t->n; i++)
        if (strncmp(t->v[i].name, prefix, strlen(prefix)) == 0) return true;
    return false;
}

/* What torch.compile and sharded training put into names, wherever it stands.  A name only becomes shorter; gp_tensors_add copied it. */
static bool unwrap(const char *name)
{
    static const char *const wrapper[] = {"_orig_mod.", "_fsdp_wrapped_module."};
    bool found = false;
    for (size_t k = 0; k < GP_COUNT(wrapper); k++)
        for (char *at; (at = strstr(name, wrapper[k])) != NULL; found = true) {
            const char *rest = at + strlen(wrapper[k]);
            memmove(at, rest, strlen(rest) + 1);
        }
    return found;
}

/* "module." of a model wrapped for several processes, "text." of open_clip's custom text tower. */
static gopro_status strip(gp_tensors *t, const char *label, gopro_error *err)
{
    for (size_t i = 0; i < t->n; i++) t->training |= unwrap(t->v[i].name);
    bool text = has(t, "text.transformer.") || has(t, "module.text.transformer.");
    for (size_t i = 0; i < t->n; i++) {
        const char *name = t->v[i].name;
        while (strncmp(name, "module.", 7) == 0) {
            name += 7;
            t->training = true;
        }
        if (text && strncmp(name, "text.", 5) == 0) name += 5;
        t->v[i].name = name;
    }
    return gp_tensors_sort(t, label, err);
}

static gopro_status recognise(gp_tensors *t, const char *label, gopro_error *err)
{
    if (has(t, "vision_model.") || has(t, "text_model."))
        t->layout = GP_LAYOUT_HF;
    else if (has(t, "visual.layer1.") || has(t, "visual.attnpool."))
        return gp_fail(err, GOPRO_E_WEIGHTS,
                       "%s: its image tower is a ResNet, which is not supported; bring a ViT checkpoint (for example ViT-B/16)", label);
    else if (has(t, "visual.trunk.") || has(t, "visual.head.proj") || has(t, "text.transformer.embeddings."))
        return gp_fail(
            err, GOPRO_E_WEIGHTS,
            "%s: one of its towers comes from another library (visual.trunk, Hugging Face text), which is not supported; bring a "
            "CLIP with open_clip's own ViT and text transformer",
            label);
    else if (has(t, "visual.rope.") || has(t, "visual.blocks.0.mlp.w1.") || has(t, "visual.blocks.0.attn.q_bias"))
        return gp_fail(err, GOPRO_E_WEIGHTS,
                       "%s: its image tower is an EVA-CLIP's, which is not supported; bring a CLIP with open_clip's own ViT", label);
    else if (has(t, "visual.patch_embed.") || has(t, "visual.blocks."))
        t->layout = GP_LAYOUT_SLIP;
    else if (has(t, "visual.conv1.") || has(t, "visual.transformer.") || has(t, "token_embedding."))
        t->layout = GP_LAYOUT_OPENAI;
    else
        return gp_fail(
            err, GOPRO_E_WEIGHTS,
            "%s: no CLIP as this program knows it: none of the names of Hugging Face, OpenAI, open_clip or SLIP ('%.120s' is there)", label,
            t->n ? t->v[0].name : "nothing");
    return GOPRO_OK;
}

/* ---- names ---- */

static const char *other_name(const row *r, gp_layout l)
{
    return l == GP_LAYOUT_SLIP ? r->slip : r->openai;
}

/* Does `name` follow `pattern`?  *tail: what follows a pattern that ends in '.'. */
static bool follows(const char *name, const char *pattern, const char **tail)
{
    size_t n = strlen(pattern);
    *tail = "";
    if (pattern[n - 1] != '.') return strcmp(name, pattern) == 0;
    if (strncmp(name, pattern, n) != 0) return false;
    *tail = name + n;
    return strcmp(*tail, "weight") == 0 || strcmp(*tail, "bias") == 0;
}

/* After "prefixNUMBER."; NULL if the name is not like that. */
static const char *after_number(const char *name, const char *prefix, int *digits)
{
    size_t n = strlen(prefix), d = 0;
    if (strncmp(name, prefix, n) != 0) return NULL;
    while (name[n + d] >= '0' && name[n + d] <= '9' && d < 9) d++;
    *digits = (int)d;
    return d && name[n + d] == '.' ? name + n + d + 1 : NULL;
}

typedef struct place {
    const row *row;
    char hf[160];
} place;

/* Where a tensor of the checkpoint belongs; row NULL: nowhere. */
static place find_place(gp_layout l, const char *name)
{
    place p = {0};
    const char *tail;
    for (size_t i = 0; i < GP_COUNT(outer); i++) {
        const char *pattern = other_name(&outer[i], l);
        if (!pattern || !follows(name, pattern, &tail)) continue;
        p.row = &outer[i];
        snprintf(p.hf, sizeof p.hf, "%s%s", outer[i].hf, tail);
        return p;
    }
    for (size_t k = 0; k < GP_COUNT(stack); k++) {
        int digits = 0;
        const char *prefix = l == GP_LAYOUT_SLIP ? stack[k].slip : stack[k].openai, *rest = after_number(name, prefix, &digits);
        bool timm = l == GP_LAYOUT_SLIP && k == 0;
        for (size_t i = 0; rest && i < GP_COUNT(inner); i++) {
            const char *pattern = timm ? inner[i].slip : inner[i].openai;
            if (!pattern || !follows(rest, pattern, &tail)) continue;
            p.row = &inner[i];
            snprintf(p.hf, sizeof p.hf, "%s%.*s.%s%s", stack[k].hf, digits, name + strlen(prefix), inner[i].hf, tail);
            return p;
        }
    }
    return p;
}

static const char *source_of(gp_layout l, const char *hf, char *buf, size_t cap)
{
    const char *tail;
    for (size_t i = 0; i < GP_COUNT(outer); i++)
        if (other_name(&outer[i], l) && follows(hf, outer[i].hf, &tail)) {
            snprintf(buf, cap, "%s%s", other_name(&outer[i], l), tail);
            return buf;
        }
    for (size_t k = 0; k < GP_COUNT(stack); k++) {
        int digits = 0;
        const char *rest = after_number(hf, stack[k].hf, &digits);
        char as_q[64];
        if (!rest) continue;
        snprintf(as_q, sizeof as_q, "%.60s", rest); /* k and v come from the same tensor as q */
        if (strncmp(as_q, "self_attn.k_proj", 16) == 0 || strncmp(as_q, "self_attn.v_proj", 16) == 0) as_q[10] = 'q';
        for (size_t i = 0; i < GP_COUNT(inner); i++) {
            bool timm = l == GP_LAYOUT_SLIP && k == 0;
            const char *pattern = timm ? inner[i].slip : inner[i].openai;
            if (!pattern || !follows(as_q, inner[i].hf, &tail)) continue;
            snprintf(buf, cap, "%s%.*s.%s%s", l == GP_LAYOUT_SLIP ? stack[k].slip : stack[k].openai, digits, hf + strlen(stack[k].hf),
                     pattern, tail);
            return buf;
        }
    }
    return hf;
}

const char *gp_layout_source_name(const gp_tensors *t, const char *hf_name, char *buf, size_t cap)
{
    return t->layout == GP_LAYOUT_HF ? hf_name : source_of(t->layout, hf_name, buf, cap);
}

bool gp_layout_ignored(const gp_tensors *t, const char *name)
{
    static const char *const exact[] = {"input_resolution", "context_length", "vocab_size", "attn_mask"};
    static const char suffix[] = ".position_ids";
    size_t n = strlen(name), k = sizeof suffix - 1;
    if (n >= k && strcmp(name + n - k, suffix) == 0) return true;
    for (size_t i = 0; i < GP_COUNT(exact); i++)
        if (strcmp(name, exact[i]) == 0) return true;
    return t->layout == GP_LAYOUT_SLIP && strncmp(name, "image_mlp.", 10) == 0; /* the head of its self-supervised loss */
}

/* ---- shapes ---- */

static gopro_status transpose(gp_tensors *t, gp_tensor *x, gopro_error *err)
{
    size_t rows = x->shape[0], cols = x->shape[1], size = gp_dtype_size(x->dtype);
    uint8_t *p = gp_tensors_buffer(t, x->count * size, err);
    if (!p) return GOPRO_E_NOMEM;
    for (size_t r = 0; r < rows && x->count > 0; r++) /* without numbers the rows may be any number */
        for (size_t c = 0; c < cols; c++) memcpy(p + (c * rows + r) * size, x->data + (r * cols + c) * size, size);
    x->data = p;
    x->shape[0] = cols;
    x->shape[1] = rows;
    return GOPRO_OK;
}

/* q, k and v behind each other: three views of a third each. */
static gopro_status split(gp_tensors *t, const gp_tensor *x, const char *hf, const char *label, gopro_error *err)
{
    char name[160];
    gp_tensor part = *x;
    if (x->rank < 1 || x->shape[0] % 3)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%.200s' holds q, k and v, but its %zu rows are no multiple of 3", label, x->name,
                       x->rank ? x->shape[0] : 0);
    part.shape[0] /= 3;
    part.count /= 3;
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s", hf);
        char *letter = strstr(name, ".q_proj.");
        if (letter) letter[1] = "qkv"[i];
        part.data = x->data + i * part.count * gp_dtype_size(x->dtype);
        GP_TRY(gp_tensors_add(t, name, &part, err));
    }
    t->merged_qkv = true;
    return GOPRO_OK;
}

static gopro_status move(gp_tensors *t, gp_tensor x, const char *label, gopro_error *err)
{
    place p = find_place(t->layout, x.name);
    if (!p.row) return gp_tensors_add(t, x.name, &x, err); /* who uses the tensors will name it */
    if (p.row->change == MERGED_W || p.row->change == MERGED_B) return split(t, &x, p.hf, label, err);
    size_t want = strstr(p.hf, "class_embedding") ? 1 : 2;
    while (p.row->change == PADDED && x.rank > want && x.shape[0] == 1) {
        x.rank--;
        memmove(x.shape, x.shape + 1, x.rank * sizeof x.shape[0]);
    }
    if (p.row->change == TRANSPOSED) {
        if (x.rank != 2) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%.200s' has rank %zu, expected 2", label, x.name, x.rank);
        GP_TRY(transpose(t, &x, err));
    }
    return gp_tensors_add(t, p.hf, &x, err);
}

gopro_status gp_tensors_to_hf(gp_tensors *t, const char *label, gopro_error *err)
{
    GP_TRY(strip(t, label, err));
    GP_TRY(recognise(t, label, err));
    bool wide = false, narrow = false;
    for (size_t i = 0; i < t->n; i++) {
        wide = wide || t->v[i].dtype == GP_DT_F32;
        narrow = narrow || t->v[i].dtype == GP_DT_F16 || t->v[i].dtype == GP_DT_BF16;
        t->openai_marks = t->openai_marks || strcmp(t->v[i].name, "input_resolution") == 0;
    }
    t->mixed = wide && narrow;
    if (t->layout == GP_LAYOUT_HF) return GOPRO_OK;
    gp_tensor *old = t->v;
    size_t n = t->n;
    t->v = NULL;
    t->n = t->cap = 0;
    gopro_status st = GOPRO_OK;
    for (size_t i = 0; i < n && st == GOPRO_OK; i++) st = move(t, old[i], label, err);
    free(old);
    return st == GOPRO_OK ? gp_tensors_sort(t, label, err) : st;
}
