// MNN's interpreter (libMNN.so), declared from its published reference: what a program needs that loads a model, makes a
// session, gives inputs, runs it and takes its outputs. No text of the authors'. There is no stand-in for it: MNN's own wheel
// holds the real library, which tests/recipes compiles against these and runs (3.6.1: their layouts are its own).
//
// [I] alibaba/MNN, include/MNN/Interpreter.hpp (names, arguments, order of fields); MNN's documentation, "Session API"
#pragma once

#include <MNN/ErrorCode.hpp>
#include <MNN/MNNForwardType.h>

#include <MNN/Tensor.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace MNN {

// [I] ScheduleConfig: saveTensors: what is kept besides outputs; path: a part of the model; the rest says who computes
struct ScheduleConfig {
  std::vector<std::string> saveTensors;
  MNNForwardType type = MNN_FORWARD_CPU;
  union {
    int numThread = 4;
    int mode;
  };
  struct Path {
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    enum Mode { Op = 0, Tensor = 1 };
    Mode mode = Op;
  };
  Path path;
  MNNForwardType backupType = MNN_FORWARD_CPU;
  BackendConfig* backendConfig = nullptr;
};

class Session;
struct Content;

class Interpreter {
 public:
  // [I] createFromFile, createFromBuffer: nullptr where it is no model; the bytes are copied. Freed by delete, or destroy (2.0)
  static Interpreter* createFromFile(const char* file);
  static Interpreter* createFromBuffer(const void* buffer, size_t size);
  static void destroy(Interpreter* net);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // [I] setSessionMode: before createSession
  enum SessionMode { Session_Debug = 0, Session_Release = 1, Session_Input_Inside = 2, Session_Input_User = 3 };
  void setSessionMode(SessionMode mode);

  // [I] createSession: the net's, freed with it, or by releaseSession; nullptr where it cannot be
  Session* createSession(const ScheduleConfig& config);
  bool releaseSession(Session* session);
  // [I] resizeSession: after resizeTensor, before the outputs' shapes are asked
  void resizeSession(Session* session);
  void resizeTensor(Tensor* tensor, const std::vector<int>& dims);
  void resizeTensor(Tensor* tensor, int batch, int channel, int height, int width);
  // [I] releaseModel: the bytes of the file, once no session is to be made any more
  void releaseModel();
  // [I] runSession: NO_ERROR, or what went wrong
  ErrorCode runSession(Session* session) const;

  // [I] getSessionInput, getSessionOutput: name NULL: the first; nullptr: there is none. The session's
  Tensor* getSessionInput(const Session* session, const char* name);
  Tensor* getSessionOutput(const Session* session, const char* name);
  const std::map<std::string, Tensor*>& getSessionInputAll(const Session* session) const;
  const std::map<std::string, Tensor*>& getSessionOutputAll(const Session* session) const;

 private:
  Interpreter(Content* net);
  Content* mNet = nullptr;
};

// [I] getVersion (1.1)
const char* getVersion();

}  // namespace MNN
