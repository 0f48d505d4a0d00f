/**
 * Inverse of the standard normal distribution by P. J. Acklam's rational approximation (2003), relative error
 * below 1.2e-9. `p` outside (0, 1) gives an infinity.
 */
export function normalScore(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY
  if (p >= 1) return Number.POSITIVE_INFINITY
  if (p < LOW) return tail(Math.sqrt(-2 * Math.log(p)))
  if (p > 1 - LOW) return -tail(Math.sqrt(-2 * Math.log(1 - p)))
  const q = p - 0.5
  const r = q * q
  const top = polynomial(
    r,
    -3.969683028665376e1,
    2.209460984245205e2,
    -2.759285104469687e2,
    1.38357751867269e2,
  )
  const bottom = polynomial(
    r,
    -5.447609879822406e1,
    1.615858368580409e2,
    -1.556989798598866e2,
    6.680131188771972e1,
  )
  return (
    (((top * r - 3.066479806614716e1) * r + 2.506628277459239) * q) /
    ((bottom * r - 1.328068155288572e1) * r + 1)
  )
}

const LOW = 0.02425

function tail(q: number): number {
  const top = polynomial(
    q,
    -7.784894002430293e-3,
    -3.223964580411365e-1,
    -2.400758277161838,
    -2.549732539343734,
  )
  const bottom = polynomial(
    q,
    7.784695709041462e-3,
    3.224671290700398e-1,
    2.445134137142996,
    3.754408661907416,
  )
  return ((top * q + 4.374664141464968) * q + 2.938163982698783) / (bottom * q + 1)
}

function polynomial(x: number, a: number, b: number, c: number, d: number): number {
  return ((a * x + b) * x + c) * x + d
}
