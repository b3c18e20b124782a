/* simd.h - vectors of VL floats for the instruction set being compiled, and what the fast kernels build on them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SIMD_H
#define GP_SIMD_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/fast/fast.h"

#define GPK_PASTE2(a, b) a##_##b
#define GPK_PASTE(a, b)  GPK_PASTE2(a, b)
#define GPK(name)        GPK_PASTE(gpk_##name, GPK_ISA)

/* For functions whose size arguments must be constants after inlining. */
#define GPK_INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define GPK_UNROLL _Pragma("unroll")
#else
#define GPK_UNROLL _Pragma("GCC unroll 16")
#endif

#ifdef __AVX512F__

#define VL 16
typedef __m512 vf;
typedef __mmask16 vm; /* which lanes */

static inline vm v_lanes(size_t n)
{
    return (vm)((1u << n) - 1u);
}
static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline vf v_load_m(vm m, const float *p)
{
    return _mm512_maskz_loadu_ps(m, p);
}
static inline void v_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline void v_store_m(float *p, vm m, vf x)
{
    _mm512_mask_storeu_ps(p, m, x);
}
static inline vf v_keep(vm m, vf x, vf otherwise)
{
    return _mm512_mask_blend_ps(m, otherwise, x);
}
static inline vf v_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
/* 1 / a for a >= 1 to about 1 ulp, by one Newton step: a division of 16 floats takes as long as an exponential.  Beyond 2^125, infinity
 * included, it stays at 2^-125. */
static inline vf v_recip(vf a)
{
    a = _mm512_min_ps(_mm512_set1_ps(0x1p125f), a);
    const vf r = _mm512_rcp14_ps(a);
    return _mm512_mul_ps(r, _mm512_fnmadd_ps(a, r, _mm512_set1_ps(2.0f)));
}
static inline vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c) /* a b + c */
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf v_fnma(vf a, vf b, vf c) /* c - a b */
{
    return _mm512_fnmadd_ps(a, b, c);
}
static inline vf v_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf a)
{
    return _mm512_abs_ps(a);
}
static inline vf v_negative(vf sign, vf yes, vf no) /* yes where sign < 0 */
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(sign, _mm512_setzero_ps(), _CMP_LT_OQ), no, yes);
}
static inline vf v_ldexp(vf x, vf n) /* x 2^n */
{
    return _mm512_scalef_ps(x, n);
}
static inline float v_sum(vf x)
{
    return _mm512_reduce_add_ps(x);
}
static inline float v_largest(vf x)
{
    return _mm512_reduce_max_ps(x);
}

/* The n first floats of x (n <= VL) in bf16, rounded to nearest even as gp_bf16_from does. */
static inline void v_store_half(uint16_t *p, vf x, size_t n)
{
#ifdef __AVX512BF16__ /* numbers below 2^-126 become 0 */
    _mm256_mask_storeu_epi16(p, v_lanes(n), (__m256i)_mm512_cvtneps_pbh(x));
#else
    const __m512i u = _mm512_castps_si512(x), high = _mm512_srli_epi32(u, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd), 16);
    const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    const __m256i h = _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), rounded, quiet));
    _mm256_mask_storeu_epi16(p, v_lanes(n), h);
#endif
}

#else

#define VL 8
typedef __m256 vf;
typedef __m256i vm;

static inline vm v_lanes(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline vf v_load_m(vm m, const float *p)
{
    return _mm256_maskload_ps(p, m);
}
static inline void v_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
static inline void v_store_m(float *p, vm m, vf x)
{
    _mm256_maskstore_ps(p, m, x);
}
static inline vf v_keep(vm m, vf x, vf otherwise)
{
    return _mm256_blendv_ps(otherwise, x, _mm256_castsi256_ps(m));
}
static inline vf v_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf v_recip(vf a)
{
    return _mm256_div_ps(_mm256_set1_ps(1.0f), a);
}
static inline vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
static inline vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
static inline vf v_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline vf v_negative(vf sign, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(sign, _mm256_setzero_ps(), _CMP_LT_OQ));
}
/* Two factors, because 2^128 and 2^-140 are not floats but the products may be. */
static inline vf v_ldexp(vf x, vf n)
{
    const __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1), rest = _mm256_sub_epi32(i, half),
                  bias = _mm256_set1_epi32(127);
    const vf a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const vf b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return v_mul(v_mul(x, a), b);
}
static inline float v_sum(vf x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float v_largest(vf x)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
static inline void v_store_half(uint16_t *p, vf x, size_t n)
{
    const __m256i u = _mm256_castps_si256(x), high = _mm256_srli_epi32(u, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd), 16);
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i h = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
    const __m128i low = _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 0x08));
    if (n == VL) {
        _mm_storeu_si128((__m128i_u *)(void *)p, low);
    } else {
        uint16_t all[VL];
        _mm_storeu_si128((__m128i_u *)(void *)all, low);
        memcpy(p, all, n * sizeof *p);
    }
}

#endif

/* exp(x) to about 1 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, Taylor of degree 7 (remainder 5e-9).  NaN stays NaN: max and min return
 * their second operand then. */
static inline vf v_exp(vf x)
{
    x = v_max(v_set(-104.0f), x);
    x = v_min(v_set(89.0f), x);
    const vf n = v_round(v_mul(x, v_set(1.44269504f)));
    vf r = v_fnma(n, v_set(0.693147182f), x);
    r = v_fma(n, v_set(1.90465421e-9f), r); /* float(ln 2) is larger than ln 2 by this */
    vf p = v_set(1.0f / 5040.0f);
    p = v_fma(p, r, v_set(1.0f / 720.0f));
    p = v_fma(p, r, v_set(1.0f / 120.0f));
    p = v_fma(p, r, v_set(1.0f / 24.0f));
    p = v_fma(p, r, v_set(1.0f / 6.0f));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p, r, v_set(1.0f));
    p = v_fma(p, r, v_set(1.0f));
    return v_ldexp(p, n);
}

#endif
