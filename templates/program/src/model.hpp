// What a runtime must do. One file a runtime implements it (model_ncnn.cpp).
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "commands.hpp"
#include "config.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::program {

/// The model's files cannot be read, or the model does not compute.
struct ModelError : std::runtime_error {
  using std::runtime_error::runtime_error;
  virtual int exit_code() const { return Exit::model; }  // what the program ends with
};

class Model {
 public:
  virtual ~Model() = default;

  /// The model's outputs for one sample, in the order of Config::outputs. Throws ModelError.
  virtual std::vector<Tensor> infer(const Tensor& input) = 0;
};

/// The model in a release's `model` folder. Throws ModelError.
std::unique_ptr<Model> load_model(const std::string& folder, const Config& config);

}  // namespace edgepack::program
