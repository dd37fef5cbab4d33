"""Words of what people do about an alert or a review, on its page or from a letter."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "was_first": ("此前已有他人处理，您的操作未执行", "Somebody was first: nothing was done"),
    "error_409": ("此表单已提交过，或页面打开后情况已有变化；您的操作未执行。请返回查看后再处理。",
                  "This form was sent before, or something has changed since the page was opened: "
                  "nothing was done. Go back and look before you act."),
    "back_alerts": ("返回该预警", "Back to the alert"),
    "back_reviews": ("返回该复核", "Back to the review"),
    "back_answer": ("返回该事项", "Back to the matter"),
    "answer_title": ("答复", "Answer"),
    "answer_many": ("本消息所列 {} 项，请逐项办理",
                    "{} matters of this message, each with its form"),
    "answer_more": ("该消息另有 {} 项未列于此，请登录控制台办理。",
                    "{} more of this message are not listed here: please use the console."),
    "answer_as": ("收件单位", "sent to"),
    "answer_taken": ("已提交，稍后生效。可以关闭本页。",
                     "Submitted; it takes effect shortly. You may close this page."),
    "link_expired": ("此链接已过期，请登录控制台办理。",
                     "This link has expired: please use the console."),
    "link_over": ("此事项已有人处理或已结束，无需再答复。",
                  "Somebody has seen to this, or it is over."),
}
