# The Open Inference Protocol, with nghttp2, nlohmann-json and zlib of EDGEPACK_LIBRARIES. Four objects: what includes
# the same is one file to the compiler, and no two of such a group name a thing of theirs alike.
set(net src/event_loop.cpp src/http_parser.cpp src/http_server.cpp)
set(serving src/coding.cpp src/front.cpp src/served.cpp src/service.cpp src/service_config.cpp src/v2.cpp src/v2_http.cpp src/workers.cpp)
set(json src/service_client.cpp src/v2_answers.cpp src/v2_json.cpp)
set(grpc src/grpc_server.cpp src/v2_proto.cpp)
add_library(service OBJECT ${net} ${serving} ${json} ${grpc})
set_target_properties(service PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
foreach(group IN ITEMS net serving json grpc)
  set_source_files_properties(${${group}} PROPERTIES UNITY_GROUP ${group})
endforeach()
# Anyone may ask it: an index beyond a list ends the program, and is not read.
target_compile_definitions(service PRIVATE _LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST)
set(service_objects $<TARGET_OBJECTS:service>)
