// logmel: {rate, window, hop, fft, bands, …}: sound {channels, samples} → {bands, frames}, how loud it is in each band.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocks/shape.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::blocks {

/// Made once, for all pictures of sound: the window, the FFT's roots, the bands' weights.
class Logmel {
 public:
  enum class Scale { htk, slaney };
  enum class Log { natural, ten, decibel };

  struct By {
    int rate, samples;               // of a second; of a piece, 0: as it came
    int window, hop, fft, bands;     // in samples, but bands
    double low, high;                // Hz
    Scale scale;
    bool area;                       // a band's weights by its width: each then has the same area
    bool center;                     // a frame's middle lies at its time; the ends are mirrored
    double power;                    // of the magnitude
    Log log;
    double floor, offset;            // log(max(x, floor) + offset)
  };

  explicit Logmel(const By& by) : by_(by) {
    const auto size = static_cast<std::size_t>(by.fft), length = static_cast<std::size_t>(by.window);
    window_.assign(size, 0);
    const std::size_t first = (size - length) / 2;
    // Hann, periodic: one period is the window's length.
    for (std::size_t i = 0; i < length; ++i) {
      window_[first + i] = 0.5 - 0.5 * std::cos(2 * pi * static_cast<double>(i) / by.window);
    }
    for (std::size_t i = 0; i < size; ++i) roots_.push_back(std::polar(1.0, -2 * pi * static_cast<double>(i) / by.fft));
    make_bands();
  }

  /// Throws std::invalid_argument for what is no sound, or too short for one frame.
  Tensor operator()(const Tensor& sound) const {
    check_whole(sound, "logmel");
    if (sound.shape.size() != 2 || sound.data.empty()) {
      throw std::invalid_argument("logmel takes sound {channels, samples}, not " + shown(sound.shape));
    }
    const std::vector<double> mono = padded(mixed(sound));
    const auto size = static_cast<std::size_t>(by_.fft), hop = static_cast<std::size_t>(by_.hop);
    const auto bands = static_cast<std::size_t>(by_.bands);
    if (mono.size() < size) {
      throw std::invalid_argument("logmel: " + std::to_string(mono.size()) + " samples, and a frame has " + std::to_string(size));
    }
    const std::size_t frames = (mono.size() - size) / hop + 1;
    Tensor result{{by_.bands, static_cast<int>(frames)}, std::vector<float>(bands * frames)};
    std::vector<Complex> wave(size), waves(size);
    for (std::size_t frame = 0; frame < frames; ++frame) {
      for (std::size_t i = 0; i < size; ++i) wave[i] = mono[frame * hop + i] * window_[i];
      transform(wave.data(), waves.data(), size, 1);
      for (std::size_t band = 0; band < bands; ++band) result.data[band * frames + frame] = loudness(waves, bands_[band]);
    }
    return result;
  }

 private:
  using Complex = std::complex<double>;
  static constexpr double pi = 3.14159265358979323846;

  struct Band {
    std::size_t first;            // of the FFT's bins
    std::vector<double> weights;  // from there on
  };

  double to_mel(double hertz) const {
    if (by_.scale == Scale::htk) return 2595 * std::log10(1 + hertz / 700);
    return hertz < 1000 ? hertz * 3 / 200 : 15 + std::log(hertz / 1000) * 27 / std::log(6.4);
  }

  double to_hertz(double mel) const {
    if (by_.scale == Scale::htk) return 700 * (std::pow(10, mel / 2595) - 1);
    return mel < 15 ? mel * 200 / 3 : 1000 * std::exp((mel - 15) * std::log(6.4) / 27);
  }

  /// Triangles whose corners lie evenly on the mel scale.
  void make_bands() {
    const auto count = static_cast<std::size_t>(by_.bands);
    std::vector<double> corners;
    const double from = to_mel(by_.low), to = to_mel(by_.high);
    for (std::size_t i = 0; i < count + 2; ++i) {
      corners.push_back(to_hertz(from + (to - from) * static_cast<double>(i) / static_cast<double>(count + 1)));
    }
    const auto bins = static_cast<std::size_t>(by_.fft / 2 + 1);
    for (std::size_t band = 0; band < count; ++band) {
      const double left = corners[band], middle = corners[band + 1], right = corners[band + 2];
      Band made{bins, {}};
      for (std::size_t bin = 0; bin < bins; ++bin) {
        const double hertz = static_cast<double>(bin) * by_.rate / by_.fft;
        double weight = std::min((hertz - left) / (middle - left), (right - hertz) / (right - middle));
        if (!(weight > 0)) continue;
        if (by_.area) weight *= 2 / (right - left);
        if (made.weights.empty()) made.first = bin;
        made.weights.push_back(weight);
      }
      bands_.push_back(std::move(made));
    }
  }

  /// One channel: their mean. Cut, or filled with silence, to `samples`.
  std::vector<double> mixed(const Tensor& sound) const {
    const auto channels = static_cast<std::size_t>(sound.shape[0]), there = static_cast<std::size_t>(sound.shape[1]);
    std::vector<double> mono(by_.samples > 0 ? static_cast<std::size_t>(by_.samples) : there, 0.0);
    for (std::size_t i = 0; i < std::min(there, mono.size()); ++i) {
      for (std::size_t c = 0; c < channels; ++c) mono[i] += static_cast<double>(sound.data[c * there + i]);
      mono[i] /= static_cast<double>(channels);
    }
    return mono;
  }

  /// With `center` half a frame before and after, mirrored at the first and the last sample.
  std::vector<double> padded(std::vector<double> mono) const {
    if (!by_.center) return mono;
    const auto half = static_cast<std::size_t>(by_.fft / 2), length = mono.size();
    if (length <= half) {
      throw std::invalid_argument("logmel: " + std::to_string(length) + " samples, and `center` mirrors " + std::to_string(half));
    }
    std::vector<double> whole(length + 2 * half);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::size_t at = i < half ? half - i : i - half;
      if (at >= length) at = 2 * (length - 1) - at;
      whole[i] = mono[at];
    }
    return whole;
  }

  /// The discrete Fourier transform of every `step`-th number, by its smallest prime factor first (Cooley, Tukey
  /// 1965): sizes are often 400 or 512, and always ours.
  void transform(const Complex* from, Complex* to, std::size_t size, std::size_t step) const {
    if (size == 1) {
      *to = *from;
      return;
    }
    std::size_t factor = 2;
    while (size % factor != 0) factor = factor * factor > size ? size : factor + 1;
    const std::size_t part = size / factor;
    std::vector<Complex> parts(size);
    for (std::size_t r = 0; r < factor; ++r) transform(from + r * step, parts.data() + r * part, part, step * factor);
    for (std::size_t k = 0; k < size; ++k) {
      Complex sum = 0;
      for (std::size_t r = 0; r < factor; ++r) sum += roots_[r * k % size * step] * parts[r * part + k % part];
      to[k] = sum;
    }
  }

  float loudness(const std::vector<Complex>& waves, const Band& band) const {
    double sum = 0;
    for (std::size_t i = 0; i < band.weights.size(); ++i) {
      const double square = std::norm(waves[band.first + i]);
      const double strength = by_.power == 2 ? square : by_.power == 1 ? std::sqrt(square) : std::pow(square, by_.power / 2);
      sum += band.weights[i] * strength;
    }
    // Not std::max, whose answer for a NaN is the other one.
    const double held = (sum < by_.floor ? by_.floor : sum) + by_.offset;
    if (by_.log == Log::natural) return static_cast<float>(std::log(held));
    return static_cast<float>(std::log10(held) * (by_.log == Log::decibel ? 10 : 1));
  }

  By by_;
  std::vector<double> window_;
  std::vector<Complex> roots_;
  std::vector<Band> bands_;
};

}  // namespace edgepack::blocks
