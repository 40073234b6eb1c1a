// [D] alibaba/MNN, include/MNN/MNNDefine.h: nothing of it is needed here
#pragma once
