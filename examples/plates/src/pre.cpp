// The first step of `pre`: full contrast, whatever the camera's or the scanner's range was.
//
// A step of one's own is a function that takes an image and returns one. Its twin in Python is
// `stretch` in train/pipeline.py: what the model was trained on is what it must see on the box.

#include <edgepack/edgepack.h>

#include <algorithm>

// {C, H, W}, any range -> {C, H, W}, 0..255. An image of one single value becomes black.
edgepack::Tensor stretch(const edgepack::Tensor& image) {
    edgepack::Tensor out = image;
    if (image.data.empty()) {
        return out;
    }
    const auto [low, high] = std::minmax_element(image.data.begin(), image.data.end());
    const float span = *high - *low;
    const float factor = span == 0.0f ? 0.0f : 255.0f / span;
    std::transform(image.data.begin(), image.data.end(), out.data.begin(),
                   [low = *low, factor](float value) { return (value - low) * factor; });
    return out;
}
