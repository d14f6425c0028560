#include "text_folder.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text_forms.h"

#define HALF_NS INT64_C(300000000)

static void path_of(const struct text_folder *folder, const char *name, char out[static PATH_MAX])
{
	bool away = *folder->gone && access(folder->path, F_OK) != 0;

	snprintf(out, PATH_MAX, "%s/%s", away ? folder->gone : folder->path, name);
}

static void put(int fd, const uint8_t *bytes, size_t length)
{
	if (write(fd, bytes, length) != (ssize_t)length)
		err(1, "a file of results cannot be written");
}

static int create(const struct text_folder *folder, const char *name, bool append)
{
	char path[PATH_MAX];
	uint8_t heading[TEXT_FORM_MAX];

	path_of(folder, name, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_EXCL), 0644);
	if (fd < 0)
		err(1, "%s", path);
	if (!append)
		put(fd, heading, text_heading(heading));
	return fd;
}

static void finish_half(void *context)
{
	struct text_folder *folder = context;

	if (folder->half < 0)
		return;
	timer_clear(&folder->timer);
	put(folder->half, folder->rest, folder->rest_length);
	close(folder->half);
	folder->half = -1;
}

void text_folder_open(struct text_folder *folder, const char *path, struct dice dice)
{
	*folder = (struct text_folder){ .path = path, .dice = dice, .half = -1 };
	folder->timer = (struct timer){ .fire = finish_half, .context = folder };
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		err(1, "%s", path);
}

void text_folder_close(struct text_folder *folder)
{
	finish_half(folder);
}

static void leave_half(struct text_folder *folder, int fd, const uint8_t *rows, size_t length)
{
	size_t now = 1 + dice_below(&folder->dice, (uint32_t)length - 1);

	folder->rest_length = length - now;
	if (folder->rest_length > sizeof folder->rest)
		errx(1, "too many results for a file");
	put(fd, rows, now);
	memcpy(folder->rest, rows + now, folder->rest_length);
	folder->half = fd;
	timer_set(&folder->timer, loop_now_ns() + HALF_NS);
}

/* Written under a name that is none of the gateway's business, then renamed. */
static void rename_in(struct text_folder *folder, const char *name, const uint8_t *rows, size_t length)
{
	char other[48], from[PATH_MAX], to[PATH_MAX];

	snprintf(other, sizeof other, ".%s.part", name);
	int fd = create(folder, other, false);
	put(fd, rows, length);
	close(fd);
	path_of(folder, other, from);
	path_of(folder, name, to);
	if (rename(from, to) < 0)
		err(1, "%s", to);
}

void text_folder_leave(struct text_folder *folder, const uint8_t *rows, size_t length)
{
	enum { WHOLE, HALF, RENAMED, APPENDED, WAYS };
	uint32_t way = dice_below(&folder->dice, WAYS);
	char name[32];

	if (length == 0)
		return;
	finish_half(folder);
	if (way == APPENDED && *folder->last) {
		int fd = create(folder, folder->last, true);
		put(fd, rows, length);
		close(fd);
		return;
	}
	snprintf(name, sizeof name, "result-%05u.csv", ++folder->count);
	strcpy(folder->last, name);
	if (way == RENAMED) {
		rename_in(folder, name, rows, length);
		return;
	}
	int fd = create(folder, name, false);
	if (way == HALF) {
		leave_half(folder, fd, rows, length);
		return;
	}
	put(fd, rows, length);
	close(fd);
}

void text_folder_vanish(struct text_folder *folder)
{
	snprintf(folder->gone, sizeof folder->gone, "%s.gone", folder->path);
	if (rename(folder->path, folder->gone) < 0)
		err(1, "%s", folder->path);
}

void text_folder_return(struct text_folder *folder)
{
	if (rename(folder->gone, folder->path) < 0)
		err(1, "%s", folder->path);
	*folder->gone = '\0';
}
