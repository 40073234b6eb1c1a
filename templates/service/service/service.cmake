# The Open Inference Protocol, with nghttp2 and nlohmann-json of EDGEPACK_LIBRARIES.
add_library(service OBJECT
  src/event_loop.cpp src/http_parser.cpp src/http_server.cpp
  src/front.cpp src/grpc_server.cpp src/served.cpp src/service.cpp src/service_client.cpp src/service_config.cpp
  src/v2.cpp src/v2_http.cpp src/v2_json.cpp src/v2_proto.cpp src/workers.cpp)
# Anyone may ask it: an index beyond a list ends the program, and is not read.
target_compile_definitions(service PRIVATE _LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST)
set(service_objects $<TARGET_OBJECTS:service>)
