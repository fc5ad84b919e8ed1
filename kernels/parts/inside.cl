// Positions along an axis, of which some are in padding: `at`, `at + step`, .. of an input of `size`. The first that is
// not in front of the input, and the one behind the last of `count` that is not behind it.
inline int first_inside(const int at, const int step) { return at < 0 ? (step - 1 - at) / step : 0; }
inline int last_inside(const int at, const int step, const int count, const int size) {
  return at >= size ? 0 : min(count, (size - 1 - at) / step + 1);
}
