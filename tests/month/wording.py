"""One line of the listing for each record, group, event and manifest, in the words of the trade. What stands in a line is told
by facts; where the facts come from (the county's messages, or the plan) is other files' business."""

VERDICTS = {"negative": "阴性", "positive": "阳性", "suspect": "可疑", "invalid": "无效", "none": "未判定"}
BY = {"instrument": "仪器判", "gateway": "网关判"}
STATES = {"retest_required": "待复检", "confirmed_positive": "复检确认阳性", "overturned": "复检推翻", "first": "手工复检",
          "missing": "期限内未复检完"}
FLAGS = {"retest_required": "须复检", "matrix_interference": "基质干扰", "operator_expired": "上岗证过期", "clock_suspect": "仪器时钟可疑",
         "clock_unsynced": "网关时钟未同步", "no_valid_control": "当日无有效对照", "lot_expired": "试剂过期",
         "verdict_disagrees": "结论不一致", "inhibition_disagrees": "抑制率不一致"}
WEEKDAYS = "一二三四五六日"


def heading(day):
    return f"== {day:%Y-%m-%d} 星期{WEEKDAYS[day.weekday()]} =="


def flags(names):
    return "标记：" + "、".join(f"{FLAGS.get(name, '?')}({name})" for name in sorted(names)) if names else ""


def line(*columns):
    return "｜".join(columns).rstrip("｜")


def item(name, code):
    return f"{name}({code})"


def sample(facts):
    if facts["kind"] == "control":
        return "对照"
    party = f"（{facts['party']}）" if facts["party"] else ""
    return f"{facts['no']} {facts['name']}{party}".strip()


def remarks(facts):
    """What is not as usual."""
    yield f"复检{facts['retest']}，初检 {facts['first']}" if facts["retest"] else ""
    yield f"更正 {facts['corrects']} 的记录（{facts['why']}）" if facts["corrects"] else ""
    yield f"仪器时间 {facts['tested']:%Y-%m-%d %H:%M}" if facts["tested"] != facts["received"] else ""
    yield f"仪器钟慢{-facts['skew_min']}分" if facts["skew_min"] else ""
    yield flags(facts["flags"])


def record(facts):
    judged = [BY.get(facts["by"], ""), f"依据 {facts['rule']}" if facts["rule"] else "", f"限值 {facts['limit']}" if facts["limit"] else ""]
    judged = "；".join(filter(None, judged))
    return line(f"{facts['received']:%H:%M}", facts["instrument"], sample(facts), " ".join(filter(None, (facts["item"], facts["value"], facts["unit"]))),
                VERDICTS[facts["verdict"]] + (f"（{judged}）" if judged else ""), facts["inspector"], "；".join(filter(None, remarks(facts))))


def group(at, sample_no, verdicts, state):
    return line(f"{at:%H:%M}", "复检组", sample_no, "、".join(VERDICTS[verdict] for verdict in verdicts), STATES[state])


def expected_retest(at, sample_no):
    return line(f"{at:%H:%M}", "复检组", sample_no, "下一次检测算作它的复检")


def missing_retest(at, sample_no, counted, needed):
    return line(f"{at:%H:%M}", "复检组", sample_no, f"复检期限已过，应复检{needed}次，只做了{counted}次")


def registered(at, how, numbers):
    return line(f"{at:%H:%M}", "登记", f"{how} {len(numbers)}个", " ".join(sorted(numbers)))


def started(at):
    return line(f"{at:%H:%M}", "网关启动")


def clock_set(at, before):
    return line(f"{at:%H:%M}", "网关时钟校正", f"原为 {before:%Y-%m-%d %H:%M}")


def clock_went_back(at, before):
    return line(f"{at:%H:%M}", "网关时钟倒退", f"上一条记录 {before:%Y-%m-%d %H:%M}")


def receptions_off(at, records, minutes):
    hours, minutes = divmod(minutes, 60)
    return line(f"{at:%H:%M}", "网关时钟", f"此前{records}条检测记录的接收时间须加 {hours // 24}天{hours % 24}小时{minutes}分")


def no_control(at, instrument, samples, over):
    return line(f"{at:%H:%M}", "质控", instrument, f"{'全天' if over else ''}无有效对照，涉及{samples}个样品")


def skewed(at, instrument, minutes):
    return line(f"{at:%H:%M}", "仪器时钟", instrument, f"{'快' if minutes > 0 else '慢'}{abs(minutes)}分钟，请校准")


def manifest(day, counts):
    """`counts`: instrument -> kind -> how many."""
    kinds = {"sample": "样品", "control": "对照"}
    told = "，".join(f"{name} " + " ".join(f"{kinds.get(kind, kind)}{count[kind]}" for kind in sorted(count, reverse=True))
                    for name, count in sorted(counts.items()))
    return f"清单 {day}：{told or '无检测'}"


def delivered(same_day, later):
    return f"送达县平台：当日{same_day}条" + (f"，次日补传{later}条" if later else "")


def totals(tests, controls, outcomes, flag_counts):
    yield "== 全月 =="
    yield f"样品检测 {tests} 次，对照 {controls} 次"
    yield "初检阳性（抑制率法） " + str(sum(outcomes.values())) + " 例：" + "，".join(f"{STATES[state]}{count}例" for state, count in sorted(outcomes.items()))
    yield "标记：" + "，".join(f"{FLAGS.get(name, '?')}({name}) {count}" for name, count in sorted(flag_counts.items()))
