# Which chip and which versions of drivers, runtimes and board support packages are here, each with the place
# where it was read. What is not said here is unknown, which is not the same as not there. Changes nothing.
# FROM goes before each path: empty on a box; a test has recorded files there.

versions() { # [FROM]
	from=${1:-}
	soc
	jetson
	nvidia
	rockchip
	ascend
	sophon
	others
}

seen() { # NAME VALUE PLACE   a version begins with a digit; a `v` before it is dropped
	value=${2#v}
	case $value in
	[0-9]*) ;;
	*) return 0 ;;
	esac
	case $value in
	*[!A-Za-z0-9._+~-]*) return 0 ;;
	esac
	[ ${#value} -gt 64 ] || say "version $1 $value $3"
}

# The first match of `sed`'s \1 in a file, which may be missing or not for this account.
picked() { # FILE SED-EXPRESSION-WITH-ONE-GROUP
	[ -r "$from$1" ] && sed -n "s/$2/\\1/p" "$from$1" 2>/dev/null | head -n 1
}

# https://www.kernel.org/doc/html/latest/devicetree/usage-model.html: `compatible` of the root, the board first,
# then its chip; strings with a NUL after each.
soc() {
	[ -r "$from/proc/device-tree/compatible" ] || return 0
	tr '\0' '\n' <"$from/proc/device-tree/compatible" | while read -r name; do
		case $name in
		'' | *[!A-Za-z0-9,._-]*) ;;
		*) say "soc $name" ;;
		esac
	done
}

# https://docs.nvidia.com/jetson/archives/r36.4/DeveloperGuide/: `# R36 (release), REVISION: 4.3, GCID: …`
jetson() {
	file=/etc/nv_tegra_release
	major=$(picked $file '^# R\([0-9]*\) (release), REVISION: .*')
	minor=$(picked $file '^# R[0-9]* (release), REVISION: \([0-9.]*\),*.*')
	[ -z "$major" ] || seen l4t "$major${minor:+.$minor}" $file
}

# TensorRT and cuDNN as packages (https://docs.nvidia.com/deeplearning/tensorrt/latest/installing-tensorrt/: libnvinfer10,
# libcudnn9-cuda-12), else by the file's full name; CUDA's own note of its version; the kernel module's.
nvidia() {
	package tensorrt 'libnvinfer[0-9]+' || by_file_name tensorrt libnvinfer.so
	package cudnn 'libcudnn[0-9]+(-cuda-[0-9]+)?' || by_file_name cudnn libcudnn.so
	file=/usr/local/cuda/version.json
	if [ -r "$from$file" ]; then
		value=$(tr -d '\n' <"$from$file" | sed -n 's/.*"cuda" *: *{[^}]*"version" *: *"\([0-9.]*\)".*/\1/p')
		seen cuda "$value" $file
	else
		file=/usr/local/cuda/version.txt # until CUDA 10
		seen cuda "$(picked $file '^CUDA Version \([0-9.]*\).*')" $file
	fi
	# `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  …`
	# (https://download.nvidia.com/XFree86/Linux-x86_64/550.54.15/README/procinterface.html)
	file=/proc/driver/nvidia/version
	seen nvidia-driver "$(picked $file '^NVRM version:[^0-9]*.* \([0-9][0-9]*\.[0-9][0-9.]*\) .*')" $file
}

# The kernel's driver: `RKNPU driver: v0.9.8`. The first place is root's alone
# (https://github.com/radxa-build/rock-5b/issues/29), the second is there with CONFIG_ROCKCHIP_RKNPU_PROC_FS. The
# library holds `librknnrt version: 2.3.0 (…)` in its bytes, and says it when it starts.
rockchip() {
	for file in /sys/kernel/debug/rknpu/version /proc/rknpu/version; do
		value=$(picked $file '^RKNPU driver: v*\([0-9.]*\).*')
		[ -z "$value" ] || break
	done
	seen rknpu-driver "$value" "$file"
	for file in /usr/lib/librknnrt.so /usr/lib64/librknnrt.so /usr/lib/aarch64-linux-gnu/librknnrt.so \
		/usr/local/lib/librknnrt.so /vendor/lib64/librknnrt.so /oem/usr/lib/librknnmrt.so /usr/lib/librknnmrt.so; do
		[ -r "$from$file" ] || continue
		value=$(tr -c ' -~' '\n' <"$from$file" | sed -n 's/.*librknnm*rt version: *v*\([0-9][0-9.]*\).*/\1/p' | head -n 1)
		name=librknnrt
		case $file in *librknnmrt*) name=librknnmrt ;; esac
		seen "$name" "$value" "$file"
		[ -z "$value" ] || break
	done
}

# CANN: https://www.hiascend.com/document/detail/en/canncommercial/850/softwareinst/instg/instg_0044.html; the driver's
# version.info has `Version=25.2.0` (the same guide, "Checking the Software Version").
ascend() {
	for place in "$from"/usr/local/Ascend/cann/*-linux/ascend_*_install.info \
		"$from"/usr/local/Ascend/ascend-toolkit/latest/*-linux/ascend_*_install.info \
		"$from"/usr/local/Ascend/nnrt/latest/*-linux/ascend_*_install.info \
		"$from"/usr/local/Ascend/nnae/latest/ascend_nnae_install.info; do
		[ -r "$place" ] || continue
		file=${place#"$from"}
		seen cann "$(picked "$file" '^version=\([0-9][A-Za-z0-9.]*\).*')" "$file"
		break
	done
	file=/usr/local/Ascend/driver/version.info
	seen ascend-driver "$(picked $file '^[Vv]ersion=\([0-9][A-Za-z0-9.]*\).*')" $file
}

# libsophon guide (https://doc.sophgo.com): libsophon-current is a link to libsophon-0.4.6; on a PCIe host the driver
# says `release version:0.5.0   release date: …`.
sophon() {
	file=/opt/sophon/libsophon-current
	to=$(readlink "$from$file" 2>/dev/null) && seen libsophon "${to##*libsophon-}" $file
	file=/proc/bmsophon/driver_version
	seen sophon-driver "$(picked $file '.*release version: *\([0-9][0-9.]*\).*')" $file
}

# What the kernel says of a module's version, and HailoRT's library by its file's full name: driver and library must be
# of one version (https://github.com/hailo-ai/hailo-rpi5-examples/issues/72).
others() {
	for module in galcore hailo_pci; do
		file=/sys/module/$module/version
		case $module in
		galcore) name=galcore ;;
		*) name=hailo-driver ;;
		esac
		[ ! -r "$from$file" ] || seen $name "$(head -n 1 "$from$file")" $file
	done
	by_file_name hailort libhailort.so
	file=/etc/os-release # https://www.freedesktop.org/software/systemd/man/latest/os-release.html
	[ "$(picked $file '^ID=\(ubuntu\)$')" != ubuntu ] || seen ubuntu "$(picked $file '^VERSION_ID="*\([0-9.]*\)"*')" $file
}

# An installed package's version without its packager's part, from dpkg's own file: that program may not be there.
package() { # NAME PACKAGE   (an extended regular expression)
	file=/var/lib/dpkg/status
	[ -r "$from$file" ] || return 1
	value=$(awk -v name="^$2\$" '/^Package: / { this = $2 ~ name; there = 0 }
		this && /^Status: / { there = $NF == "installed" }
		there && /^Version: / {
			sub(/^[0-9]+:/, "", $2)
			sub(/[^0-9.].*/, "", $2)
			print $2
			exit
		}' "$from$file")
	[ -n "$value" ] || return 1
	seen "$1" "$value" $file
}

by_file_name() { # NAME LIBRARY   libnvinfer.so.10.3.0
	for file in "$from"/usr/lib/*/"$2".*.*.* "$from"/usr/lib/"$2".*.*.* "$from"/usr/local/lib/"$2".*.*.* "$from"/usr/lib64/"$2".*.*.*; do
		[ -e "$file" ] || continue
		file=${file#"$from"}
		seen "$1" "${file##*"$2".}" "$file"
		return 0
	done
}
