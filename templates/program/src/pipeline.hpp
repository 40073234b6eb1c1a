// From a raw image to an answer: `pre`, the model, `post`. pipeline.cpp is written from edgepack.yaml.
#pragma once

#include <string>
#include <vector>

#include "blocks/geometry.hpp"
#include "edgepack/edgepack.h"
#include "image.hpp"
#include "json.hpp"
#include "model.hpp"

namespace edgepack::program {

/// `pre`: a raw image {C, H, W} → the model's input. `geometry` begins as the image's own, and goes along.
Tensor prepare(Tensor image, blocks::Geometry& geometry);

/// `post`: the model's outputs → the record. geometry: what `prepare` left, for places in the image.
Record interpret(std::vector<Tensor> outputs, const blocks::Geometry& geometry, const Moment& when);

using Loader = std::unique_ptr<Model> (*)(const std::string& folder, const Config& config);

/// Loads the models beside the first one, which `post` asks: each in a folder of its name in `folder`. Throws ModelError.
void open_models(const std::string& folder, Loader load);

/// That of a golden vector: one a second, from 0 on.
inline Moment sample_moment(std::size_t n) { return {static_cast<double>(n), static_cast<double>(n)}; }

struct Answer {
  std::vector<Tensor> outputs;  // the model's own, before `post`
  Record record;
};

/// What `verify` and `infer` ask: of an app the model in that folder, of other forms what a client of theirs asks.
/// Throws ModelError.
std::unique_ptr<Model> open_model(const std::string& folder);

/// What `pre`, the model or `post` throws, with the stage's name in front, as std::runtime_error.
Answer answer(Model& model, Tensor image, const Moment& when = now());

/// The line about one image: {"file": …, <the record's fields>, "outputs": {…}}
std::string answer_line(const std::string& file, const Answer& answer, bool with_outputs);

}  // namespace edgepack::program
