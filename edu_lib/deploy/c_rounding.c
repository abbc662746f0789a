/* How many bits a number takes: 0 for 0, 3 for 5. */
static inline int bit_length(uint64_t n) {
    int length = n >> 32 ? 32 : 0;
    uint32_t rest = (uint32_t)(n >> length);
    for (int half = 16; half > 0; half /= 2)
        if (rest >> half) {
            length += half;
            rest >>= half;
        }
    return length + (rest != 0);
}

/* n / 2^shift rounded to an integer, halves to the even neighbour. */
static inline int64_t round_shift(int64_t n, int shift) {
    uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    uint64_t down = size >> shift;
    uint64_t twice_the_rest = (size - (down << shift)) << 1;
    uint64_t one = (uint64_t)1 << shift;
    if (twice_the_rest > one || (twice_the_rest == one && (down & 1)))
        down++;
    return n < 0 ? -(int64_t)down : (int64_t)down;
}

/* n with all but its 24 leading bits rounded off: what a 32-bit float would keep of it. */
static inline int64_t to_24_bits(int64_t n) {
    int excess = bit_length(n < 0 ? 0 - (uint64_t)n : (uint64_t)n) - 24;
    return excess > 0 ? round_shift(n, excess) * ((int64_t)1 << excess) : n;
}

/* A result on its grid of 8 bits; a ReLU is a `low` that is the zero point. */
static inline uint8_t clamp(int64_t q, int low, int high) {
    return (uint8_t)(q < low ? low : q > high ? high : q);
}

/* round(n * mantissa / 2^shift) + zero_point: from a sum to the grid of the next layer. */
static inline uint8_t requantize(int32_t n, int32_t mantissa, int shift, int zero_point,
                                 int low, int high) {
    int64_t q = round_shift(to_24_bits(to_24_bits(n) * mantissa), shift);
    return clamp(q + zero_point, low, high);
}

/* The taps of a window that lie inside a map: from first_tap to before last_tap. */
static inline int first_tap(int begin, int step) {
    return begin < 0 ? (step - 1 - begin) / step : 0;
}

static inline int last_tap(int begin, int step, int taps, int length) {
    int inside = (length - begin + step - 1) / step;
    return inside < taps ? inside : taps;
}

/* An answer that ends at a bound, such as that of a ReLU. */
static inline float at_least(float low, float x) { return x < low ? low : x; }
static inline float at_most(float high, float x) { return x > high ? high : x; }
