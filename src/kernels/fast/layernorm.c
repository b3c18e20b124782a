/* layernorm.c - layer normalisation of rows, vectors along the row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fast/kernels.h"

static float row_mean(const float *x, size_t cols)
{
    vf s0 = v_set(0.0f), s1 = s0;
    size_t c = 0;
    for (; c + 2 * VL <= cols; c += 2 * VL) {
        s0 = v_add(s0, v_load(x + c));
        s1 = v_add(s1, v_load(x + c + VL));
    }
    for (; c + VL <= cols; c += VL) s0 = v_add(s0, v_load(x + c));
    if (c < cols) s1 = v_add(s1, v_load_m(v_lanes(cols - c), x + c));
    return v_sum(v_add(s0, s1)) / (float)cols;
}

static float row_variance(const float *x, float mean, size_t cols)
{
    const vf m = v_set(mean);
    vf s0 = v_set(0.0f), s1 = s0;
    size_t c = 0;
    for (; c + 2 * VL <= cols; c += 2 * VL) {
        const vf a = v_sub(v_load(x + c), m), b = v_sub(v_load(x + c + VL), m);
        s0 = v_fma(a, a, s0);
        s1 = v_fma(b, b, s1);
    }
    for (; c < cols; c += VL) {
        const vm lanes = v_lanes(gp_min_size(VL, cols - c));
        const vf a = v_keep(lanes, v_sub(v_load_m(lanes, x + c), m), v_set(0.0f));
        s0 = v_fma(a, a, s0);
    }
    return v_sum(v_add(s0, s1)) / (float)cols;
}

/* y = (x - mean) rstd g + b; METHODS 0.  y may be x.  yh is y in bf16, where that is wanted. */
GPK_INLINE void norm_rows(float *y, uint16_t *yh, float *mean, float *rstd, const float *x, const float *g, const float *b, float eps,
                          size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        const float *xr = x + r * cols;
        float *yr = y ? y + r * cols : NULL;
        uint16_t *hr = yh ? yh + r * cols : NULL;
        const float m = row_mean(xr, cols), rs = 1.0f / sqrtf(row_variance(xr, m, cols) + eps);
        const vf vmean = v_set(m), vrs = v_set(rs);
        size_t c = 0;
        for (; c + VL <= cols; c += VL) {
            const vf v = v_fma(v_mul(v_sub(v_load(xr + c), vmean), vrs), v_load(g + c), v_load(b + c));
            if (hr)
                v_store_half(hr + c, v, VL);
            else
                v_store(yr + c, v);
        }
        if (c < cols) {
            const vm t = v_lanes(cols - c);
            const vf v = v_fma(v_mul(v_sub(v_load_m(t, xr + c), vmean), vrs), v_load_m(t, g + c), v_load_m(t, b + c));
            if (hr)
                v_store_half(hr + c, v, cols - c);
            else
                v_store_m(yr + c, t, v);
        }
        if (mean) mean[r] = m;
        if (rstd) rstd[r] = rs;
    }
}

void GPK(layernorm_fwd)(float *y, float *mean, float *rstd, const float *x, const float *g, const float *b, float eps, size_t rows,
                        size_t cols)
{
    norm_rows(y, NULL, mean, rstd, x, g, b, eps, rows, cols);
}

void GPK(layernorm_half)(uint16_t *y, float *mean, float *rstd, const float *x, const float *g, const float *b, float eps, size_t rows,
                         size_t cols)
{
    norm_rows(NULL, y, mean, rstd, x, g, b, eps, rows, cols);
}

typedef struct row_bwd {
    float *dx, *dg, *db;
    const float *dy, *x, *g;
    vf mean, rstd, w_mean, wx_mean; /* means of w = dy g and of w xhat */
} row_bwd;

static inline void sums_step(const row_bwd *r, size_t c, vm t, vf *sw, vf *swx)
{
    const vf xhat = v_mul(v_sub(v_load_m(t, r->x + c), r->mean), r->rstd), w = v_mul(v_load_m(t, r->dy + c), v_load_m(t, r->g + c));
    *sw = v_add(*sw, w);
    *swx = v_add(*swx, v_keep(t, v_mul(w, xhat), v_set(0.0f)));
}

static inline void out_step(const row_bwd *r, size_t c, vm t)
{
    const vf dy = v_load_m(t, r->dy + c), xhat = v_mul(v_sub(v_load_m(t, r->x + c), r->mean), r->rstd);
    const vf w = v_mul(dy, v_load_m(t, r->g + c));
    const vf d = v_mul(r->rstd, v_fnma(xhat, r->wx_mean, v_sub(w, r->w_mean)));
    v_store_m(r->dx + c, t, v_add(v_load_m(t, r->dx + c), d));
    if (r->dg) {
        v_store_m(r->dg + c, t, v_fma(dy, xhat, v_load_m(t, r->dg + c)));
        v_store_m(r->db + c, t, v_add(v_load_m(t, r->db + c), dy));
    }
}

/* dx += rstd (w - mean(w) - xhat mean(w xhat)), dg += sum dy xhat, db += sum dy. */
void GPK(layernorm_bwd)(float *dx, float *dg, float *db, const float *dy, const float *x, const float *g, const float *mean,
                        const float *rstd, size_t rows, size_t cols)
{
    const vm all = v_lanes(VL);
    const size_t body = cols / VL * VL;
    const vm tail = v_lanes(cols - body);
    for (size_t i = 0; i < rows; i++) {
        row_bwd r = {.dx = dx + i * cols, .dg = dg, .db = db, .dy = dy + i * cols, .x = x + i * cols, .g = g};
        vf sw = v_set(0.0f), swx = sw;
        r.mean = v_set(mean[i]);
        r.rstd = v_set(rstd[i]);
        for (size_t c = 0; c < body; c += VL) sums_step(&r, c, all, &sw, &swx);
        if (body < cols) sums_step(&r, body, tail, &sw, &swx);
        r.w_mean = v_set(v_sum(sw) / (float)cols);
        r.wx_mean = v_set(v_sum(swx) / (float)cols);
        for (size_t c = 0; c < body; c += VL) out_step(&r, c, all);
        if (body < cols) out_step(&r, body, tail);
    }
}
