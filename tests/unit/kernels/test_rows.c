/* test_rows.c - every row kernel of every table this machine can run against the reference: sizes 1..67 and real shapes, unaligned
 * pointers, canaries, aliasing where it is allowed, NaN and infinity.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "kerntest.h"

static const char *const wishes[] = {"ref", "avx2", "avx512", "avx512_bf16"};

/* Calls fn with every table; a machine without an instruction set gets the next lower table twice. */
static void each_table(void (*fn)(const gp_kernels *k, size_t rows, size_t cols, size_t shift))
{
    static const size_t real[][2] = {{5, 128}, {3, 512}, {2, 768}, {33, 96}, {197, 40}, {300, 129}};
    for (size_t w = 0; w < GP_COUNT(wishes); w++) {
        const gp_kernels *k = gp_kernels_select(wishes[w]);
        for (size_t n = 1; n <= 67; n++) fn(k, 1 + n % 5, n, n % 2);
        for (size_t i = 0; i < GP_COUNT(real); i++)
            for (size_t shift = 0; shift < 2; shift++) fn(k, real[i][0], real[i][1], shift);
    }
}

static void layernorm(const gp_kernels *k, size_t rows, size_t cols, size_t shift)
{
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, rows, cols);
    kt_vec x = kt_make(&r, rows * cols, shift, 2.0), g = kt_make(&r, cols, shift, 1.0), b = kt_make(&r, cols, shift, 1.0);
    for (size_t i = 0; i < x.n; i++) x.p[i] += 3; /* a mean that matters */
    kt_vec y = kt_make(&r, rows * cols, shift, 1.0), want = kt_make(&r, rows * cols, 0, 1.0);
    kt_vec m = kt_make(&r, rows, shift, 0.0), s = kt_make(&r, rows, shift, 0.0), wm = kt_copy(&m, 0), ws = kt_copy(&s, 0);
    const gp_real eps = (gp_real)1e-5;
    gp_kernels_ref.layernorm_fwd(want.p, wm.p, ws.p, x.p, g.p, b.p, eps, rows, cols);
    k->layernorm_fwd(y.p, m.p, s.p, x.p, g.p, b.p, eps, rows, cols);
    /* A single column has no variance: x - mean is rounding, magnified by 1 / sqrt(eps). */
    const double tol = cols < 4 ? 1e-3 : 1e-5;
    kt_close(y.p, want.p, y.n, 1.0, tol);
    kt_close(m.p, wm.p, rows, 1.0, 1e-6);
    kt_close(s.p, ws.p, rows, 1.0, tol);
    kt_vec in_place = kt_copy(&x, shift);
    k->layernorm_fwd(in_place.p, NULL, NULL, in_place.p, g.p, b.p, eps, rows, cols);
    assert_memory_equal(in_place.p, y.p, y.n * sizeof *y.p);

    kt_vec dy = kt_make(&r, rows * cols, shift, 1.0), dx = kt_make(&r, rows * cols, shift, 1.0), wdx = kt_copy(&dx, 0);
    kt_vec dg = kt_make(&r, cols, shift, 1.0), db = kt_make(&r, cols, shift, 1.0), wdg = kt_copy(&dg, 0), wdb = kt_copy(&db, 0);
    kt_vec only_x = kt_copy(&dx, shift);
    gp_kernels_ref.layernorm_bwd(wdx.p, wdg.p, wdb.p, dy.p, x.p, g.p, wm.p, ws.p, rows, cols);
    k->layernorm_bwd(dx.p, dg.p, db.p, dy.p, x.p, g.p, wm.p, ws.p, rows, cols);
    double rstd = 1.0;
    for (size_t i = 0; i < rows; i++) rstd = fmax(rstd, (double)ws.p[i]);
    kt_close(dx.p, wdx.p, dx.n, rstd, 1e-5);
    kt_close(dg.p, wdg.p, cols, sqrt((double)rows), 1e-5);
    kt_close(db.p, wdb.p, cols, sqrt((double)rows), 1e-5);
    k->layernorm_bwd(only_x.p, NULL, NULL, dy.p, x.p, g.p, wm.p, ws.p, rows, cols);
    assert_memory_equal(only_x.p, dx.p, dx.n * sizeof *dx.p);
    kt_vec *all[] = {&x, &g, &b, &y, &want, &m, &s, &wm, &ws, &in_place, &dy, &dx, &wdx, &dg, &db, &wdg, &wdb, &only_x};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

static void activations(const gp_kernels *k, size_t rows, size_t cols, size_t shift)
{
    const size_t n = rows * cols;
    gp_rng r = gp_rng_make(2, GP_RNG_TEST, rows, cols);
    kt_vec x = kt_make(&r, n, shift, 3.0), dy = kt_make(&r, n, shift, 1.0);
    for (int a = 0; a < GP_N_ACT; a++) {
        kt_vec y = kt_make(&r, n, shift, 1.0), want = kt_copy(&y, 0), dx = kt_make(&r, n, shift, 1.0), wdx = kt_copy(&dx, 0);
        kt_vec in_place = kt_copy(&x, shift);
        gp_kernels_ref.act_fwd[a](want.p, x.p, n);
        k->act_fwd[a](y.p, x.p, n);
        kt_close(y.p, want.p, n, 1.0, 1e-6);
        k->act_fwd[a](in_place.p, in_place.p, n);
        assert_memory_equal(in_place.p, y.p, n * sizeof *y.p);
        gp_kernels_ref.act_bwd[a](wdx.p, dy.p, x.p, n);
        k->act_bwd[a](dx.p, dy.p, x.p, n);
        kt_close(dx.p, wdx.p, n, 1.0, 2e-6);
        kt_vec *all[] = {&y, &want, &dx, &wdx, &in_place};
        for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
    }
    kt_free(&x);
    kt_free(&dy);
}

static void updates(const gp_kernels *k, size_t rows, size_t cols, size_t shift)
{
    const size_t n = rows * cols;
    gp_rng r = gp_rng_make(3, GP_RNG_TEST, rows, cols);
    kt_vec x = kt_make(&r, n, shift, 1.0), b = kt_make(&r, cols, shift, 1.0), y = kt_make(&r, n, shift, 1.0), w = kt_copy(&y, 0);
    k->add(y.p, x.p, n);
    gp_kernels_ref.add(w.p, x.p, n);
    assert_memory_equal(y.p, w.p, n * sizeof *y.p);
    k->axpy(y.p, (gp_real)-1.7, x.p, n);
    gp_kernels_ref.axpy(w.p, (gp_real)-1.7, x.p, n);
    kt_close(y.p, w.p, n, 1.0, 1e-6);
    k->add_rows(y.p, b.p, rows, cols);
    gp_kernels_ref.add_rows(w.p, b.p, rows, cols);
    kt_close(y.p, w.p, n, 1.0, 1e-6);
    kt_vec db = kt_make(&r, cols, shift, 1.0), wdb = kt_copy(&db, 0);
    k->sum_rows(db.p, x.p, rows, cols);
    gp_kernels_ref.sum_rows(wdb.p, x.p, rows, cols);
    kt_close(db.p, wdb.p, cols, sqrt((double)rows), 1e-6);
    const double dot = k->dot(x.p, y.p, n), want = gp_kernels_ref.dot(x.p, y.p, n);
    assert_true(fabs(dot - want) <= 1e-13 * (double)n);
    kt_vec *all[] = {&x, &b, &y, &w, &db, &wdb};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

static void stats(const gp_kernels *k, size_t rows, size_t cols, size_t shift)
{
    gp_rng r = gp_rng_make(4, GP_RNG_TEST, rows, cols);
    kt_vec x = kt_make(&r, rows * cols, shift, 1.0), mu = kt_make(&r, cols, shift, 0.0), sd = kt_make(&r, cols, shift, 0.0);
    kt_vec wmu = kt_copy(&mu, 0), wsd = kt_copy(&sd, 0);
    for (size_t i = 0; i < x.n; i++) x.p[i] += i % cols == 0 ? 50 : 0; /* a channel far larger than the rest */
    k->row_stats(mu.p, sd.p, x.p, rows, cols);
    gp_kernels_ref.row_stats(wmu.p, wsd.p, x.p, rows, cols);
    kt_close(mu.p, wmu.p, cols, 1.0, 1e-6);
    kt_close(sd.p, wsd.p, cols, rows == 1 ? 1.0 : 0.1, 1e-5);
    kt_vec *all[] = {&x, &mu, &sd, &wmu, &wsd};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

static void expect_half(const gp_kernels *k, const char *what, const uint16_t *got, const gp_real *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan((double)want[i]) ? !isnan((double)gp_bf16_to(got[i])) : got[i] != gp_bf16_from((float)want[i]))
            fail_msg("%s %s: number %zu of %zu is %#x for %g", k->name, what, i, n, got[i], (double)want[i]);
    assert_int_equal(got[n], 0xabcd);
}

/* What a table writes in bf16 is what it writes as reals, rounded: to the last bit, infinities and NaN included. */
static void halves(const gp_kernels *k, size_t rows, size_t cols, size_t shift)
{
    const size_t n = rows * cols;
    gp_rng r = gp_rng_make(6, GP_RNG_TEST, rows, cols);
    kt_vec x = kt_make(&r, n, shift, 2.0), g = kt_make(&r, cols, shift, 1.0), b = kt_make(&r, cols, shift, 1.0),
           y = kt_make(&r, n, shift, 0.0);
    kt_vec m = kt_make(&r, rows, shift, 0.0), s = kt_make(&r, rows, shift, 0.0), wm = kt_copy(&m, 0), ws = kt_copy(&s, 0);
    uint16_t *half = malloc((n + shift + 1) * sizeof *half), *h = half + shift;
    h[n] = 0xabcd;
    k->layernorm_fwd(y.p, wm.p, ws.p, x.p, g.p, b.p, (gp_real)1e-5, rows, cols);
    k->layernorm_half(h, m.p, s.p, x.p, g.p, b.p, (gp_real)1e-5, rows, cols);
    expect_half(k, "layer norm", h, y.p, n);
    assert_memory_equal(m.p, wm.p, rows * sizeof *m.p);
    assert_memory_equal(s.p, ws.p, rows * sizeof *s.p);
    k->layernorm_half(h, NULL, NULL, x.p, g.p, b.p, (gp_real)1e-5, rows, cols);
    expect_half(k, "layer norm without statistics", h, y.p, n);
    kt_vec dy = kt_make(&r, n, shift, 1.0);
    x.p[0] = (gp_real)NAN;
    x.p[n - 1] = (gp_real)INFINITY;
    for (int a = 0; a < GP_N_ACT; a++) {
        k->act_fwd[a](y.p, x.p, n);
        k->act_half[a](h, x.p, n);
        expect_half(k, "activation", h, y.p, n);
        memset(y.p, 0, n * sizeof *y.p);
        k->act_bwd[a](y.p, dy.p, x.p, n);
        k->act_bwd_half[a](h, dy.p, x.p, n);
        expect_half(k, "activation backward", h, y.p, n);
    }
    free(half);
    kt_vec *all[] = {&x, &g, &b, &y, &m, &s, &wm, &ws, &dy};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

static void test_halves(void **state)
{
    (void)state;
    each_table(halves);
}

static void test_layernorm(void **state)
{
    (void)state;
    each_table(layernorm);
}

static void test_activations(void **state)
{
    (void)state;
    each_table(activations);
}

static void test_updates(void **state)
{
    (void)state;
    each_table(updates);
}

static void test_stats(void **state)
{
    (void)state;
    each_table(stats);
}

/* Over the whole range, against libm in double. */
static void activation_range(void **state)
{
    (void)state;
    enum { N = 20001 };
    gp_rng r = gp_rng_make(5, GP_RNG_TEST, 0, 0);
    kt_vec x = kt_make(&r, N, 0, 0.0), y = kt_make(&r, N, 0, 0.0), want = kt_make(&r, N, 0, 0.0);
    for (size_t i = 0; i < N; i++) x.p[i] = (gp_real)(((double)i - N / 2) / 100.0); /* -100 .. 100 */
    for (size_t w = 0; w < GP_COUNT(wishes); w++) {
        const gp_kernels *k = gp_kernels_select(wishes[w]);
        for (int a = 0; a < GP_N_ACT; a++) {
            k->act_fwd[a](y.p, x.p, N);
            gp_kernels_ref.act_fwd[a](want.p, x.p, N);
            kt_close(y.p, want.p, N, 1.0, 1e-6);
        }
        k->act_fwd[GP_ACT_QUICKGELU](y.p, x.p, N); /* relative, far into the left tail */
        gp_kernels_ref.act_fwd[GP_ACT_QUICKGELU](want.p, x.p, N);
        for (size_t i = 0; i < N; i++)
            if ((double)x.p[i] > -50.0) assert_true(fabs((double)(y.p[i] - want.p[i])) <= 1e-6 + 1e-5 * fabs((double)want.p[i]));
    }
    kt_free(&x);
    kt_free(&y);
    kt_free(&want);
}

/* A NaN or an infinity must come out where the reference lets it out, and nowhere else. */
static void not_finite(void **state)
{
    (void)state;
    const gp_real bad[] = {(gp_real)NAN, (gp_real)INFINITY, (gp_real)-INFINITY};
    const size_t N = 37;
    gp_rng r = gp_rng_make(6, GP_RNG_TEST, 0, 0);
    for (size_t w = 0; w < GP_COUNT(wishes); w++)
        for (size_t b = 0; b < GP_COUNT(bad); b++)
            for (size_t at = 0; at < N; at += 9) {
                const gp_kernels *k = gp_kernels_select(wishes[w]);
                kt_vec x = kt_make(&r, 2 * N, 0, 1.0), one = kt_make(&r, N, 0, 1.0), y = kt_make(&r, 2 * N, 0, 0.0);
                kt_vec want = kt_copy(&y, 0);
                x.p[at] = bad[b];
                for (int a = 0; a < GP_N_ACT; a++) {
                    k->act_fwd[a](y.p, x.p, 2 * N);
                    gp_kernels_ref.act_fwd[a](want.p, x.p, 2 * N);
                    if (b == 2) continue; /* -infinity times a weight that is nearly 0, or 0 */
                    kt_close(y.p, want.p, 2 * N, 1.0, 1e-5);
                }
                assert_true(b == 1 || !isfinite((double)y.p[at]));
                k->layernorm_fwd(y.p, NULL, NULL, x.p, one.p, one.p, (gp_real)1e-5, 2, N);
                for (size_t i = 0; i < N; i++) {
                    assert_true(isnan((double)y.p[i]));
                    assert_true(isfinite((double)y.p[N + i]));
                }
                assert_true(!isfinite(k->dot(x.p, x.p, 2 * N)));
                kt_free(&x);
                kt_free(&one);
                kt_free(&y);
                kt_free(&want);
            }
}

static const gp_bf16_ops *bf16_ops(size_t w)
{
    return gp_bf16_select(wishes[w]);
}

/* Exact bytes: rounding to nearest even, NaN kept, transposed and packed layouts of any size. */
static void bf16_conversions(void **state)
{
    (void)state;
    assert_int_equal(gp_bf16_from(1.0f), 0x3f80);
    assert_int_equal(gp_bf16_from(1.00390625f), 0x3f80); /* half way: to even */
    assert_int_equal(gp_bf16_from(1.01171875f), 0x3f82); /* half way: to even, upwards */
    assert_int_equal(gp_bf16_from(1.0040f), 0x3f81);
    assert_int_equal(gp_bf16_from(-INFINITY), 0xff80);
    assert_true(isnan((double)gp_bf16_to(gp_bf16_from(NAN))));
    gp_rng r = gp_rng_make(7, GP_RNG_TEST, 0, 0);
    for (size_t w = 1; w < GP_COUNT(wishes); w++)
        for (size_t rows = 1; rows <= 70; rows += 3)
            for (size_t cols = 1; cols <= 70; cols += 5) {
                const gp_bf16_ops *o = bf16_ops(w);
                const size_t ld = cols + 1, pad = (rows + 31) / 32 * 32, nb = cols % 2 ? 64 : 32, wide = (cols + nb - 1) / nb * nb;
                kt_vec x = kt_make(&r, rows * ld, 1, 1.0);
                x.p[0] = (gp_real)NAN;
                uint16_t *got = calloc(pad * wide, 2), *want = calloc(pad * wide, 2);
                o->convert(got, x.p, rows * cols);
                gp_bf16_ref.convert(want, x.p, rows * cols);
                assert_memory_equal(got, want, pad * wide * 2);
                o->transpose(got, rows + 2, x.p, ld, rows, cols - (cols > 2 ? 2 : 0));
                gp_bf16_ref.transpose(want, rows + 2, x.p, ld, rows, cols - (cols > 2 ? 2 : 0));
                assert_memory_equal(got, want, pad * wide * 2);
                o->pack(got, nb, pad, pad, x.p, ld, rows, cols);
                gp_bf16_ref.pack(want, nb, pad, pad, x.p, ld, rows, cols);
                assert_memory_equal(got, want, pad * wide * 2);
                free(got);
                free(want);
                kt_free(&x);
            }
}

static void choice(void **state)
{
    (void)state;
    assert_string_equal(gp_kernels_select("ref")->name, "ref");
    const char *best = gp_kernels_select(NULL)->name;
    assert_string_equal(gp_kernels_select("avx512_bf16")->name, best);
    assert_true(strcmp(gp_kernels_select("avx512")->name, "avx512_bf16") != 0);
    assert_true(strcmp(gp_kernels_select("avx2")->name, "avx512") != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choice),       cmocka_unit_test(test_layernorm),   cmocka_unit_test(test_activations),
        cmocka_unit_test(test_updates), cmocka_unit_test(test_stats),       cmocka_unit_test(activation_range),
        cmocka_unit_test(not_finite),   cmocka_unit_test(bf16_conversions), cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
