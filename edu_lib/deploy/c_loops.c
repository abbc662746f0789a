/// over_the_map
    for (int c = 0; c < $channels; c++)
        for (int row = 0; row < $rows; row++)
            for (int column = 0; column < $columns; column++) {
$body
            }
/// window
                const int up = $up, left = $left;
$ends                int32_t sum = $start;
$taps
                $finish
/// ends
                const int $first = first_tap($begin, $step);
                const int $last = last_tap($begin, $step, $k, $length);
/// multiply_and_add
                for (int d = 0; d < $depth; d++)
                    for (int i = $i_from; i < $i_to; i++)
                        for (int j = $j_from; j < $j_to; j++)
                            sum += $weight[c][d][i][j] * $centred;
/// add_up
                for (int i = $i_from; i < $i_to; i++)
                    for (int j = $j_from; j < $j_to; j++)
                        sum += $centred;
/// largest
                for (int i = $i_from; i < $i_to; i++)
                    for (int j = $j_from; j < $j_to; j++)
                        if ($x > sum)
                            sum = $x;
/// linear
    for (int c = 0; c < $outputs; c++) {
        int32_t sum = $start;
        for (int d = 0; d < $inputs; d++)
            sum += $weight[c][d] * $x;
        $finish
    }
/// twice_as_large
                /* three parts of the nearest pixel, one of the next; the border repeats */
                const int r = row / 2, s = column / 2;
                const int r_next = row % 2 ? r + (r + 1 < $height) : r - (r > 0);
                const int s_next = column % 2 ? s + (s + 1 < $width) : s - (s > 0);
                const int32_t here = 3 * x[c][r][s] + x[c][r][s_next];
                const int32_t next = 3 * x[c][r_next][s] + x[c][r_next][s_next];
                const int32_t sum = $sum;
                $finish
/// repeat
                $y = x[c][row / $down][column / $along];
/// add
                int64_t sum = to_24_bits($b * INT64_C($m_b) + INT64_C($constant));
                sum = to_24_bits($a * INT64_C($m_a) + sum);
                $y = clamp(round_shift(sum, $shift), $low, $high);
/// multiply
                const int32_t sum = $a * $b;
                $finish
/// look_up
    for (int n = 0; n < $size; n++)
        y[$y] = $table[x$number[n]];
/// copy
    for (int n = 0; n < $size; n++)
        y[$y] = x$number[n];
/// enter
    for (int c = 0; c < $channels; c++)
        for (int n = 0; n < $size; n++)
            y[c * $size + n] = $table[c][pixels[c * $size + n]];
/// leave
    for (int n = 0; n < $size; n++)
        answer[n] = $value;
/// network
/* $name.c: an int8 network in C99, without a library, without a heap. Written by edu.export_c.
 *
 *     void ${name}_run($parameters);
 *
 * pixels: $input bytes, 0 for black, 255 for white, each channel row after row.
$answers
 *
 * Weights and tables: $constants bytes of constants. Working memory: $arena bytes, the arena below.
 * A map is an array of bytes q, which stand for the numbers scale * (q - zero point). A layer adds
 * products of integers, and `requantize` brings the sum to the scale of the next layer. Floats
 * occur where answers leave. The functions share the arena: they take one image at a time.
 */
#include <stdint.h>

typedef char an_int_has_32_bits[sizeof(int) >= 4 ? 1 : -1];

$rounding

/* Where each map lies in the arena. Two share bytes where one is no longer needed. */
enum {
$places
};
static uint8_t arena[$arena];

$functions

void ${name}_run($parameters);

void ${name}_run($parameters) {
$calls
}
