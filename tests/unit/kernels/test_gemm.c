/* test_gemm.c - every matrix product against the reference, and the same bytes from any number of threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/bf16.h"
#include "kernels/gemm.h"
#include "kernels/onednn.h"
#include "kerntest.h"

static gp_compute *compute(size_t threads, const char *cpu)
{
    gp_compute *c = NULL;
    gopro_error err = {0};
    if (gp_compute_create(&c, threads, cpu, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return c;
}

/* bf16 if the machine has it, else false. */
static bool has_bf16(gp_compute *c)
{
    float w[256] = {0};
    gp_mat *m = NULL;
    gopro_error err = {0};
    const gopro_status st = gp_mat_create(&m, c, w, 16, 16, GP_BF16, GP_MAT_FWD, &err);
    assert_true(st == GOPRO_OK || st == GOPRO_E_UNSUPPORTED);
    gp_mat_free(&m);
    return st == GOPRO_OK;
}

static void round_all(kt_vec *v)
{
    for (size_t i = 0; i < v->n; i++) v->p[i] = gp_bf16_to(gp_bf16_from(v->p[i]));
}

/* One shape: both directions, all flags.  In bf16 the reference gets rounded inputs, so that only the summation differs. */
static void check_mat(gp_compute *c, size_t rows, size_t out, size_t in, gp_precision prec, size_t shift)
{
    gp_rng r = gp_rng_make(7, GP_RNG_TEST, rows, out * 1000 + in);
    kt_vec w = kt_make(&r, out * in, shift, 1.0), x = kt_make(&r, rows * in, shift, 1.0), dy = kt_make(&r, rows * out, shift, 1.0);
    kt_vec bias = kt_make(&r, out, shift, 1.0), start = kt_make(&r, rows * out, 0, 1.0), startx = kt_make(&r, rows * in, 0, 1.0);
    kt_vec wr = kt_copy(&w, 0), xr = kt_copy(&x, 0), dyr = kt_copy(&dy, 0);
    if (prec == GP_BF16) {
        round_all(&wr);
        round_all(&xr);
        round_all(&dyr);
    }
    gp_mat *m = NULL;
    gopro_error err = {0};
    if (gp_mat_create(&m, c, w.p, out, in, prec, GP_MAT_FWD | GP_MAT_BWD, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    const double floor = 0.3 * sqrt((double)(in > out ? in : out)), tol = 1e-5;
    for (int flags = 0; flags < 4; flags++) {
        const bool add = flags & 1, with_bias = flags & 2;
        kt_vec y = kt_copy(&start, shift), want = kt_copy(&start, 0);
        gp_gemm_ref(false, true, rows, out, in, 1, xr.p, in, wr.p, in, add ? 1 : 0, want.p, out);
        for (size_t i = 0; with_bias && i < rows * out; i++) want.p[i] += bias.p[i % out];
        gp_mat_fwd(m, c, 0, y.p, x.p, with_bias ? bias.p : NULL, rows, add);
        kt_close(y.p, want.p, y.n, floor, tol);
        kt_free(&y);
        kt_free(&want);
        if (with_bias) continue;
        kt_vec dx = kt_copy(&startx, shift), wantx = kt_copy(&startx, 0);
        gp_gemm_ref(false, false, rows, in, out, 1, dyr.p, out, wr.p, in, add ? 1 : 0, wantx.p, in);
        gp_mat_bwd(m, c, 0, dx.p, dy.p, rows, add);
        kt_close(dx.p, wantx.p, dx.n, floor, tol);
        kt_free(&dx);
        kt_free(&wantx);
    }
    assert_int_equal(gp_compute_check(c, &err), GOPRO_OK);
    gp_mat_free(&m);
    kt_vec *all[] = {&w, &x, &dy, &bias, &start, &startx, &wr, &xr, &dyr};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

static void to_half(uint16_t *h, const kt_vec *v)
{
    for (size_t i = 0; i < v->n; i++) h[i] = gp_bf16_from(v->p[i]);
}

/* Rows in bf16 in and out: the bits of rows as reals, rounded where bf16 is asked for. */
static void check_half(gp_compute *c, size_t rows, size_t out, size_t in)
{
    gp_rng r = gp_rng_make(14, GP_RNG_TEST, rows, out * 1000 + in);
    kt_vec w = kt_make(&r, out * in, 0, 0.3), x = kt_make(&r, rows * in, 0, 1.0), dy = kt_make(&r, rows * out, 0, 1.0);
    kt_vec bias = kt_make(&r, out, 0, 1.0), y = kt_make(&r, rows * out, 0, 1.0), want = kt_copy(&y, 0), dx = kt_make(&r, rows * in, 0, 1.0);
    kt_vec wantx = kt_copy(&dx, 0);
    uint16_t *h = calloc(2 * rows * (out + in), sizeof *h), *hx = h, *hy = hx + rows * in, *hdx = hy + rows * out, *hdy = hdx + rows * in;
    gp_mat *m = NULL;
    gopro_error err = {0};
    if (gp_mat_create(&m, c, w.p, out, in, GP_BF16, GP_MAT_FWD | GP_MAT_BWD, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_true(gp_mat_half(m, c));
    to_half(hx, &x);
    to_half(hdy, &dy);
    for (int add = 1; add >= 0; add--) {
        gp_mat_fwd(m, c, 0, want.p, x.p, bias.p, rows, add);
        gp_mat_fwd_rows(m, c, 0, (gp_operand){.f = y.p}, (gp_operand){.h = hx}, bias.p, rows, add);
        assert_memory_equal(y.p, want.p, y.n * sizeof *y.p);
    }
    gp_mat_fwd_rows(m, c, 0, (gp_operand){.h = hy}, (gp_operand){.h = hx}, bias.p, rows, false);
    for (size_t i = 0; i < y.n; i++) assert_int_equal(hy[i], gp_bf16_from(want.p[i]));
    gp_mat_bwd(m, c, 0, wantx.p, dy.p, rows, false);
    gp_mat_bwd_rows(m, c, 0, (gp_operand){.f = dx.p}, (gp_operand){.h = hdy}, rows, false);
    assert_memory_equal(dx.p, wantx.p, dx.n * sizeof *dx.p);
    assert_int_equal(gp_compute_check(c, &err), GOPRO_OK);
    gp_mat_free(&m);
    free(h);
    kt_vec *all[] = {&w, &x, &dy, &bias, &y, &want, &dx, &wantx};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

static void mats_half(void **state)
{
    (void)state;
    gp_compute *c = compute(1, NULL);
    if (!has_bf16(c)) {
        gp_compute_free(&c);
        skip();
    }
    const size_t rows[] = {1, 15, 16, 33, 256}, mat[][2] = {{16, 16}, {31, 65}, {128, 64}, {100, 70}, {384, 128}};
    for (size_t i = 0; i < GP_COUNT(rows); i++)
        for (size_t j = 0; j < GP_COUNT(mat); j++) check_half(c, rows[i], mat[j][0], mat[j][1]);
    gp_compute_free(&c);
}

/* With AMX oneDNN cuts the sums of long bf16 rows by the number of rows of the call: there only the last bits may differ. */
static void expect_rows(const kt_vec *z, const kt_vec *y, size_t n, bool exactly)
{
    double most = 0.0, apart = 0.0;
    if (exactly) assert_memory_equal(z->p, y->p, n * sizeof *y->p);
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)y->p[i]));
        apart = fmax(apart, fabs((double)z->p[i] - (double)y->p[i]));
    }
    assert_true(most > 0.0 && apart <= 1e-5 * most);
}

/* A row's product does not depend on the rows beside it, so neither does a result on how rows were cut into blocks.  The layers of
 * ViT-B/16 and of the small CLIP. */
static void rows_stand_alone(void **state)
{
    (void)state;
    static const size_t layer[][2] = {{2304, 768}, {768, 768}, {768, 3072}, {1536, 512}, {2048, 512},
                                      {576, 192},  {768, 192}, {192, 768},  {384, 128}};
    const bool amx = (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
    gp_compute *c = compute(1, NULL);
    for (int p = 0; p < (has_bf16(c) ? 2 : 1); p++)
        for (size_t s = 0; s < 2 * GP_COUNT(layer); s++) {
            const size_t out = layer[s / 2][0], in = layer[s / 2][1], from = s % 2 ? out : in, to = s % 2 ? in : out;
            gp_rng r = gp_rng_make(13, GP_RNG_TEST, s, (uint64_t)p);
            kt_vec w = kt_make(&r, out * in, 0, 1.0), x = kt_make(&r, 256 * from, 0, 1.0), y = kt_make(&r, 256 * to, 0, 0.0),
                   z = kt_copy(&y, 0);
            gp_mat *m = NULL;
            assert_int_equal(gp_mat_create(&m, c, w.p, out, in, (gp_precision)p, s % 2 ? GP_MAT_BWD : GP_MAT_FWD, NULL), GOPRO_OK);
            enum { PADDED = 7 };
            const size_t counts[] = {256, 16, 48, 112, 144, 208, 250, 9, 97, 100, 197};
            const bool padded = c->row_unit == 16; /* other numbers of rows differ from these in padding alone */
            const size_t n = padded ? PADDED : GP_COUNT(counts) + (out * in < 100000 ? 255 : 0);
            for (size_t i = 0; i < n; i++) {
                gp_real *d = i ? z.p : y.p;
                const size_t rows = i < GP_COUNT(counts) ? counts[i] : i - GP_COUNT(counts) + 1;
                if (s % 2)
                    gp_mat_bwd(m, c, 0, d, x.p, rows, false);
                else
                    gp_mat_fwd(m, c, 0, d, x.p, NULL, rows, false);
                if (i) expect_rows(&z, &y, rows * to, !(amx && p));
            }
            gp_mat_free(&m);
            kt_free(&w);
            kt_free(&x);
            kt_free(&y);
            kt_free(&z);
        }
    gp_compute_free(&c);
}

/* Part of a layer's weights, as the last block uses them, gives that part of its result; here where oneDNN reads plain rows (of weights in
 * blocks features/test_cache.c has it). */
static void columns_stand_alone(void **state)
{
    (void)state;
    enum { ROWS = 50 };
    static const size_t width[] = {16, 32, 48, 64, 192, 512};
    gp_compute *c = compute(1, NULL);
    if (c->row_unit == 16) {
        gp_compute_free(&c);
        skip();
    }
    for (size_t s = 0; s < GP_COUNT(width); s++) {
        const size_t D = width[s];
        gp_rng r = gp_rng_make(14, GP_RNG_TEST, s, 0);
        kt_vec w = kt_make(&r, 3 * D * D, 0, 1.0), x = kt_make(&r, ROWS * D, 0, 1.0), y = kt_make(&r, ROWS * 3 * D, 0, 0.0),
               z = kt_copy(&y, 0);
        for (size_t part = 0; part < 2; part++) {
            const size_t first = part * D, out = (1 + part) * D; /* q; k and v */
            gp_mat *whole = NULL, *m = NULL;
            assert_int_equal(gp_mat_create(&whole, c, w.p, 3 * D, D, GP_F32, GP_MAT_FWD, NULL), GOPRO_OK);
            assert_int_equal(gp_mat_create(&m, c, w.p + first * D, out, D, GP_F32, GP_MAT_FWD, NULL), GOPRO_OK);
            gp_mat_fwd(whole, c, 0, y.p, x.p, NULL, ROWS, false);
            gp_mat_fwd(m, c, 0, z.p, x.p, NULL, ROWS, false);
            for (size_t i = 0; i < ROWS; i++) assert_memory_equal(z.p + i * out, y.p + i * 3 * D + first, out * sizeof *y.p);
            gp_mat_free(&m);
            gp_mat_free(&whole);
        }
        kt_free(&w);
        kt_free(&x);
        kt_free(&y);
        kt_free(&z);
    }
    gp_compute_free(&c);
}

/* Weights that oneDNN reads as plain rows begin in many sets of the cache, whatever their width; what it wants in another way is left
 * alone. */
static void rows_spread(void **state)
{
    (void)state;
    static const size_t width[] = {64, 128, 384, 512, 768, 1024, 2304, 3072, 4096, 100, 70};
    gp_compute *c = compute(1, NULL);
    gp_onednn *d = gp_full(c)->onednn;
    const char *most = getenv("DNNL_MAX_CPU_ISA");
    if (most && strcmp(most, "AVX2") == 0) assert_true(d->jit); /* else the tests of that way test nothing */
    assert_int_equal(c->row_unit, d->jit ? 6 : 16);
    for (size_t i = 0; i < GP_COUNT(width); i++) {
        dnnl_memory_desc_t md;
        assert_true(gp_dnnl_layout(d, GP_ROW_BLOCK, width[i], 96, false, &md));
        const dnnl_blocking_desc_t *b = &md.format_desc.blocking;
        if (d->jit) {
            assert_int_equal(b->inner_nblks, 0);
            assert_int_equal(b->strides[0], width[i] % 64 ? width[i] : width[i] + 16);
        }
        assert_int_equal(md.dims[1], width[i]);
    }
    gp_compute_free(&c);
}

static const size_t row_counts[] = {1, 2, 7, 15, 16, 17, 33, 64, 100, 197, 255, 256};
static const size_t mats[][2] = {{1, 1}, {3, 5}, {16, 16}, {31, 65}, {100, 70}, {128, 64}, {64, 200}, {32, 96}, {192, 128}};

static void mats_f32(void **state)
{
    (void)state;
    gp_compute *c = compute(1, NULL);
    for (size_t i = 0; i < GP_COUNT(mats); i++)
        for (size_t j = 0; j < GP_COUNT(row_counts); j++) check_mat(c, row_counts[j], mats[i][0], mats[i][1], GP_F32, (i + j) % 2);
    check_mat(c, 200, 384, 128, GP_F32, 0);
    gp_compute_free(&c);
}

static void mats_bf16(void **state)
{
    (void)state;
    gp_compute *c = compute(1, NULL);
    if (!has_bf16(c)) {
        gp_compute_free(&c);
        skip();
    }
    for (size_t i = 0; i < GP_COUNT(mats); i++)
        for (size_t j = 0; j < GP_COUNT(row_counts); j += 2) check_mat(c, row_counts[j], mats[i][0], mats[i][1], GP_BF16, (i + j) % 2);
    check_mat(c, 200, 384, 128, GP_BF16, 0);
    gp_compute_free(&c);
}

static void mats_plain(void **state)
{
    (void)state;
    gp_compute *c = compute(1, "ref");
    assert_true(c->plain_gemm);
    for (size_t i = 0; i < 5; i++)
        for (int p = 0; p < 2; p++) check_mat(c, 33, mats[i][0], mats[i][1], p ? GP_BF16 : GP_F32, 1);
    gp_compute_free(&c);
}

/* bf16 against the product of the unrounded numbers: the error the user sees. */
static void bf16_error(void **state)
{
    (void)state;
    gp_compute *c = compute(1, NULL);
    if (!has_bf16(c)) {
        gp_compute_free(&c);
        skip();
    }
    enum { ROWS = 64, OUT = 96, IN = 256 };
    gp_rng r = gp_rng_make(8, GP_RNG_TEST, 0, 0);
    kt_vec w = kt_make(&r, OUT * IN, 0, 1.0), x = kt_make(&r, ROWS * IN, 0, 1.0), y = kt_make(&r, ROWS * OUT, 0, 0.0);
    kt_vec want = kt_make(&r, ROWS * OUT, 0, 0.0);
    gp_mat *m = NULL;
    assert_int_equal(gp_mat_create(&m, c, w.p, OUT, IN, GP_BF16, GP_MAT_FWD, NULL), GOPRO_OK);
    gp_mat_fwd(m, c, 0, y.p, x.p, NULL, ROWS, false);
    gp_gemm_ref(false, true, ROWS, OUT, IN, 1, x.p, IN, w.p, IN, 0, want.p, OUT);
    const double e = kt_error(y.p, want.p, y.n, sqrt(IN));
    assert_true(e < 2e-2);
    assert_true(e > 1e-5); /* it did round */
    gp_mat_free(&m);
    kt_free(&w);
    kt_free(&x);
    kt_free(&y);
    kt_free(&want);
    gp_compute_free(&c);
}

static void repack(void **state)
{
    (void)state;
    gp_compute *c = compute(1, NULL);
    enum { N = 48 };
    gp_rng r = gp_rng_make(9, GP_RNG_TEST, 0, 0);
    for (int p = 0; p < (has_bf16(c) ? 2 : 1); p++) {
        kt_vec w = kt_make(&r, N * N, 0, 1.0), x = kt_make(&r, N * N, 0, 1.0), y = kt_make(&r, N * N, 0, 0.0);
        kt_vec z = kt_make(&r, N * N, 0, 0.0);
        gp_mat *m = NULL, *fresh = NULL;
        assert_int_equal(gp_mat_create(&m, c, w.p, N, N, (gp_precision)p, GP_MAT_FWD | GP_MAT_BWD, NULL), GOPRO_OK);
        assert_true(gp_mat_bytes(m) >= (size_t)N * N * 4);
        for (size_t i = 0; i < w.n; i++) w.p[i] = -2 * w.p[i] + 1;
        gp_mat_repack(m, c, 0);
        assert_int_equal(gp_mat_create(&fresh, c, w.p, N, N, (gp_precision)p, GP_MAT_FWD | GP_MAT_BWD, NULL), GOPRO_OK);
        for (int bwd = 0; bwd < 2; bwd++) {
            if (bwd) {
                gp_mat_bwd(m, c, 0, y.p, x.p, N, false);
                gp_mat_bwd(fresh, c, 0, z.p, x.p, N, false);
            } else {
                gp_mat_fwd(m, c, 0, y.p, x.p, NULL, N, false);
                gp_mat_fwd(fresh, c, 0, z.p, x.p, NULL, N, false);
            }
            assert_memory_equal(y.p, z.p, y.n * sizeof *y.p);
        }
        gp_mat_free(&m);
        gp_mat_free(&fresh);
        kt_free(&w);
        kt_free(&x);
        kt_free(&y);
        kt_free(&z);
    }
    gp_compute_free(&c);
}

static const size_t dw_shapes[][3] = {{1, 1, 1},      {5, 3, 7},     {100, 100, 70},   {256, 64, 64}, {1024, 128, 96},
                                      {1023, 65, 33}, {970, 16, 16}, {3000, 130, 100}, {9000, 48, 32}}; /* rows, out, in */

/* dW against the reference in both precisions; the bytes must not depend on the number of threads. */
static void dw_all(void **state)
{
    (void)state;
    gp_compute *c[4] = {compute(1, NULL), compute(2, NULL), compute(4, NULL), compute(2, "ref")};
    const int n_prec = has_bf16(c[0]) ? 2 : 1;
    for (size_t s = 0; s < GP_COUNT(dw_shapes); s++)
        for (int p = 0; p < n_prec; p++) {
            const size_t rows = dw_shapes[s][0], out = dw_shapes[s][1], in = dw_shapes[s][2];
            gp_rng r = gp_rng_make(10, GP_RNG_TEST, s, 0);
            kt_vec dy = kt_make(&r, rows * out, s % 2, 1.0), x = kt_make(&r, rows * in, s % 2, 1.0);
            kt_vec start = kt_make(&r, out * in, 0, 1.0), want = kt_copy(&start, 0), one = {0};
            kt_vec dyr = kt_copy(&dy, 0), xr = kt_copy(&x, 0);
            if (p) {
                round_all(&dyr);
                round_all(&xr);
            }
            gp_gemm_ref(true, false, out, in, rows, 1, dyr.p, out, xr.p, in, 1, want.p, in);
            for (size_t t = 0; t < 4; t++) {
                if (t == 3 && rows > 1024) continue; /* slow */
                kt_vec dw = kt_copy(&start, s % 2);
                gp_gemm_dw(c[t], (gp_precision)p, dw.p, dy.p, x.p, rows, out, in);
                assert_int_equal(gp_compute_check(c[t], NULL), GOPRO_OK);
                kt_close(dw.p, want.p, dw.n, sqrt((double)rows), 1e-5);
                if (t == 0) one = kt_copy(&dw, 0);
                if (t < 3) assert_memory_equal(dw.p, one.p, dw.n * sizeof *dw.p);
                kt_free(&dw);
            }
            kt_vec *all[] = {&dy, &x, &start, &want, &one, &dyr, &xr};
            for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
        }
    for (size_t t = 0; t < 4; t++) gp_compute_free(&c[t]);
}

/* Any op, any stride, any beta; beta = 0 must not read what was there. */
static void small_products(void **state)
{
    (void)state;
    gp_compute *c = compute(1, NULL);
    const size_t dims[][3] = {{1, 1, 1}, {3, 4, 5}, {8, 8, 8}, {17, 31, 13}, {64, 5, 70}, {40, 60, 50}};
    for (size_t s = 0; s < GP_COUNT(dims); s++)
        for (int f = 0; f < 12; f++) {
            const bool ta = f & 1, tb = f & 2;
            const gp_real beta = f / 4 == 0 ? 0 : f / 4 == 1 ? 1 : (gp_real)0.5;
            const size_t m = dims[s][0], n = dims[s][1], k = dims[s][2], lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 2, ldc = n + 1;
            gp_rng r = gp_rng_make(11, GP_RNG_TEST, s, (uint64_t)f);
            kt_vec a = kt_make(&r, (ta ? k : m) * lda, 1, 1.0), b = kt_make(&r, (tb ? n : k) * ldb, 1, 1.0);
            kt_vec y = kt_make(&r, m * ldc, 1, 1.0), want = kt_copy(&y, 0);
            if (beta == 0) y.p[0] = (gp_real)NAN;
            gp_gemm(c, ta, tb, m, n, k, (gp_real)0.7, a.p, lda, b.p, ldb, beta, y.p, ldc);
            gp_gemm_ref(ta, tb, m, n, k, (gp_real)0.7, a.p, lda, b.p, ldb, beta, want.p, ldc);
            kt_close(y.p, want.p, y.n, sqrt((double)k), 1e-5); /* the gaps between the rows too: they must be untouched */
            kt_free(&a);
            kt_free(&b);
            kt_free(&y);
            kt_free(&want);
        }
    gp_compute_free(&c);
}

typedef struct rows_job {
    gp_compute *c;
    const gp_mat *m;
    gp_real *y;
    const gp_real *x;
} rows_job;

static void rows_block(void *arg, size_t first, size_t n, size_t worker)
{
    const rows_job *j = arg;
    gp_mat_fwd(j->m, j->c, worker, j->y + first * 64, j->x + first * 64, NULL, n, false);
}

/* Many workers on one matrix, first use of each shape included. */
static void threads_same_bytes(void **state)
{
    (void)state;
    enum { ROWS = 2000 };
    gp_rng r = gp_rng_make(12, GP_RNG_TEST, 0, 0);
    kt_vec w = kt_make(&r, 64 * 64, 0, 1.0), x = kt_make(&r, ROWS * 64, 0, 1.0), one = {0};
    const size_t threads[] = {1, 2, 4};
    for (size_t p = 0; p < 2; p++) {
        for (size_t t = 0; t < 3; t++) {
            gp_compute *c = compute(threads[t], NULL);
            const bool ok = p == 0 || has_bf16(c);
            if (ok) {
                kt_vec y = kt_make(&r, ROWS * 64, 0, 0.0);
                gp_mat *m = NULL;
                assert_int_equal(gp_mat_create(&m, c, w.p, 64, 64, (gp_precision)p, GP_MAT_FWD, NULL), GOPRO_OK);
                rows_job j = {c, m, y.p, x.p};
                const uint64_t before = gp_gemm_macs(c);
                gp_parallel_rows(c, ROWS, rows_block, &j);
                assert_int_equal(gp_gemm_macs(c) - before, (uint64_t)ROWS * 64 * 64);
                if (t == 0)
                    one = kt_copy(&y, 0);
                else
                    assert_memory_equal(y.p, one.p, y.n * sizeof *y.p);
                gp_mat_free(&m);
                kt_free(&y);
            }
            gp_compute_free(&c);
        }
        if (one.block) kt_free(&one);
    }
    kt_free(&w);
    kt_free(&x);
}

/* The comparison itself must be able to fail. */
static void comparison_can_fail(void **state)
{
    (void)state;
    const gp_real a[2] = {1, 2}, b[2] = {1, (gp_real)2.001}, n[2] = {1, (gp_real)NAN};
    assert_true(kt_error(a, b, 2, 1.0) > 1e-4);
    assert_true(isinf(kt_error(n, a, 2, 1.0)));
    assert_true(kt_error(a, a, 2, 0.0) == 0.0);
}

static void bad_cpu_and_sticky_failure(void **state)
{
    (void)state;
    gp_compute *c = NULL;
    gopro_error err = {0};
    assert_int_equal(gp_compute_create(&c, 1, "pentium", &err), GOPRO_E_INVALID);
    assert_null(c);
    assert_non_null(strstr(err.msg, "pentium"));
    c = compute(2, "ref");
    gp_compute_fail(c, "out of memory for a test");
    gp_compute_fail(c, "something later");
    assert_int_equal(gp_compute_check(c, &err), GOPRO_E_NOMEM);
    assert_string_equal(err.msg, "out of memory for a test");
    assert_int_equal(gp_compute_check(c, &err), GOPRO_OK);
    gp_real *p = gp_scratch(c, 1, 100), *q = gp_scratch(c, 1, 5);
    assert_true(q >= p + 100 && (uintptr_t)q % 64 == 0);
    gp_scratch_reset(c, 1);
    assert_ptr_equal(gp_scratch(c, 1, 1), p);
    assert_null(gp_scratch(c, 0, SIZE_MAX / 2));
    assert_int_equal(gp_compute_check(c, &err), GOPRO_E_NOMEM);
    gp_compute_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_can_fail),
        cmocka_unit_test(mats_f32),
        cmocka_unit_test(mats_bf16),
        cmocka_unit_test(mats_plain),
        cmocka_unit_test(mats_half),
        cmocka_unit_test(rows_stand_alone),
        cmocka_unit_test(columns_stand_alone),
        cmocka_unit_test(rows_spread),
        cmocka_unit_test(bf16_error),
        cmocka_unit_test(repack),
        cmocka_unit_test(dw_all),
        cmocka_unit_test(small_products),
        cmocka_unit_test(threads_same_bytes),
        cmocka_unit_test(bad_cpu_and_sticky_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
